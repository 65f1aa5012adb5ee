# SPDX-License-Identifier: MIT
"""One application cache over Redis, Valkey or the process's own memory.

    from faciliter_lib.cache.cache_manager import set_cache, cache_get, cache_set

    set_cache()                                      # as the environment says
    cache_set("user:123", {"name": "Alice"}, ttl=300)
    user = cache_get("user:123")
"""

from ._base import Cache
from ._codec import CONFIGURED
from ._errors import (
    CacheAuthError,
    CacheClosedError,
    CacheConfigError,
    CacheError,
    CacheInvalidError,
    CacheServerError,
    CacheTimeoutError,
    CacheUnavailableError,
)
from .cache_manager import (
    cache_clear,
    cache_delete,
    cache_delete_many,
    cache_exists,
    cache_get,
    cache_get_many,
    cache_increment,
    cache_set,
    cache_set_many,
    cache_touch,
    close_cache,
    get_cache,
    set_cache,
    stats,
)
from .decorator import cached
from .memory_cache import MemoryCache
from .memory_config import MemoryConfig
from .redis_cache import RedisCache
from .redis_config import RedisConfig
from .valkey_cache import ValkeyCache
from .valkey_config import ValkeyConfig

__all__ = [
    "CONFIGURED",
    "Cache",
    "CacheAuthError",
    "CacheClosedError",
    "CacheConfigError",
    "CacheError",
    "CacheInvalidError",
    "CacheServerError",
    "CacheTimeoutError",
    "CacheUnavailableError",
    "MemoryCache",
    "MemoryConfig",
    "RedisCache",
    "RedisConfig",
    "ValkeyCache",
    "ValkeyConfig",
    "cache_clear",
    "cache_delete",
    "cache_delete_many",
    "cache_exists",
    "cache_get",
    "cache_get_many",
    "cache_increment",
    "cache_set",
    "cache_set_many",
    "cache_touch",
    "cached",
    "close_cache",
    "get_cache",
    "set_cache",
    "stats",
]
