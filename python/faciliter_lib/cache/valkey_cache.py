# SPDX-License-Identifier: MIT
"""ValkeyCache: a cache on a Valkey server."""

from __future__ import annotations

from ._base import Cache
from ._config import ServerConfig
from .valkey_config import ValkeyConfig


class ValkeyCache(Cache):
    """A cache on a Valkey server; what `Cache` says holds. Without `config`: `ValkeyConfig.from_env()`."""

    _config_class = ValkeyConfig
    _config_base = ServerConfig
