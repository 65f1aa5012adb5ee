# SPDX-License-Identifier: MIT
"""Cache: what RedisCache, ValkeyCache and MemoryCache have in common."""

from __future__ import annotations

from types import TracebackType
from typing import Any, ClassVar, Dict, Optional, Type, TypeVar

from . import _native
from ._codec import HOOKS
from ._config import BaseConfig
from ._errors import CacheError

CacheType = TypeVar("CacheType", bound="Cache")


class Cache(_native.Cache):
    """A cache of one's own; any number of threads may use it, and children of a fork.

    Constructing it reads and checks the settings (CacheConfigError) and never connects: connect()
    or the first use does. A call returns within the configured timeout, or raises a CacheError.

    A value is anything that json.dumps() accepts, and comes back as JSON gives it (a tuple as a
    list, say); bytes stay bytes. What another program stored and is no JSON comes back as bytes.
    Keys are str. `ttl` is in seconds, fractions allowed: when it is omitted, the configured one
    counts; None keeps the value until it is evicted.

    get(key, default=None)         the value, or `default` when there is none
    set(key, value, ttl)           stores; True
    add(key, value, ttl)           stores only when the key is absent; whether it did
    delete(key), exists(key)       whether it was, or is, there
    touch(key, ttl)                a new time to live, from now; whether the key is there
    ttl(key)                       seconds left; math.inf without expiry; None when not there
    increment(key, delta=1, ttl)   adds to a whole number, atomically; the sum. `ttl` counts when
                                   this creates the key
    get_many(keys)                 a dict of those found
    set_many(mapping, ttl)         stores all; how many
    delete_many(keys)              how many were there
    clear()                        removes every key under the prefix; how many
    stats()                        counters since it was opened, as a dict
    """

    _config_class: ClassVar[Type[Any]]
    _config_base: ClassVar[Type[Any]]

    config: Any

    def __init__(self, config: Optional[BaseConfig] = None) -> None:
        if config is None:
            config = self._config_class.from_env()
        elif not isinstance(config, self._config_base):
            raise TypeError(
                f"config must be a {self._config_class.__name__}, not {type(config).__name__}"
            )
        self.config = config
        self._reopen()

    @classmethod
    def from_config(cls: Type[CacheType], config: BaseConfig) -> CacheType:
        """A cache with these settings. Does not connect."""
        return cls(config)

    def _reopen(self) -> None:
        pairs = self.config._pairs()
        provider = (b"provider", self._config_class.provider.encode())
        self._open((provider,) + pairs[1:], True, HOOKS)

    def connect(self) -> None:
        """Reach the server, or raise a CacheError. After close() it opens the cache again."""
        if not self._is_open:
            self._reopen()
        self._connect()

    def health_check(self) -> bool:
        """Whether the server answers now. Never raises a CacheError."""
        try:
            return bool(self._health()["is_healthy"])
        except CacheError:
            return False

    def health(self) -> Dict[str, Any]:
        """What is known of the server after asking it: is_healthy, error, server, version, role,
        endpoint, latency_us, connections_open, connections_idle, max_connections and more."""
        return self._health()

    def close(self) -> None:
        """End the connections. Calls in flight, and later ones, raise CacheClosedError."""
        self._close()

    def __enter__(self: CacheType) -> CacheType:
        self.connect()
        return self

    def __exit__(
        self,
        kind: Optional[Type[BaseException]],
        error: Optional[BaseException],
        traceback: Optional[TracebackType],
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.config!r})"

    def __reduce__(self) -> Any:
        raise TypeError(
            f"a {type(self).__name__} cannot be pickled: send its config, and make one there"
        )
