# SPDX-License-Identifier: MIT
"""What happens without a cache: the facade misses, a cache of one's own raises. Port 1 refuses."""

import logging

from faciliter_lib.cache import (
    CacheConfigError, CacheError, CacheUnavailableError, RedisCache, RedisConfig, cache_get,
    cache_set, set_cache,
)

logging.basicConfig(format="%(levelname)s %(name)s: %(message)s")
nobody = RedisConfig(host="127.0.0.1", port=1, timeout=1)

# The facade: set_cache() says False, the rest misses, one line of log says why.
print(set_cache(config=nobody), cache_set("k", 1), cache_get("k", default="not cached"))

# A cache of one's own: an exception that says what happened.
try:
    RedisCache(nobody).get("k")
except CacheUnavailableError as error:
    print(f"{type(error).__name__}, {error.status}, may have been applied: {error.maybe_applied}")

# Settings that cannot be right do not heal, so they are never a miss.
try:
    set_cache(config=RedisConfig(port=99999))
except CacheConfigError as error:
    print(f"{type(error).__name__}: {isinstance(error, CacheError)}")
