# SPDX-License-Identifier: MIT
"""RedisCache: a cache on a Redis server."""

from __future__ import annotations

from ._base import Cache
from ._config import ServerConfig
from .redis_config import RedisConfig


class RedisCache(Cache):
    """A cache on a Redis server; what `Cache` says holds. Without `config`: `RedisConfig.from_env()`."""

    _config_class = RedisConfig
    _config_base = ServerConfig
