# SPDX-License-Identifier: MIT
"""MemoryCache: a cache in the process's own memory."""

from __future__ import annotations

from ._base import Cache
from .memory_config import MemoryConfig


class MemoryCache(Cache):
    """A cache in the process's own memory; what `Cache` says holds. Each object has a store of its
    own. Without `config`: `MemoryConfig.from_env()`."""

    _config_class = MemoryConfig
    _config_base = MemoryConfig
