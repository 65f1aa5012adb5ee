# SPDX-License-Identifier: MIT
"""The process-wide cache: set_cache() once at start-up, then cache_get() and its kin anywhere.

Without a usable cache nothing fails: cache_get() returns the default, the others False, 0 or None,
and the logger "faciliter_lib.cache" says why, once and then not more often than every 30 seconds.
Only a mistake of the program raises: a TypeError for a key or a value of a wrong type.
"""

from __future__ import annotations

import dataclasses
import enum
import os
import threading
from typing import Any, Dict, Iterable, Mapping, Optional, Tuple, Type, Union

from . import _native
from ._base import Cache
from ._codec import CONFIGURED, HOOKS, Configured
from ._config import BaseConfig, pair
from ._errors import CacheClosedError, CacheConfigError, CacheError, make_error
from ._log import forget_failures, note_failure
from .memory_cache import MemoryCache
from .redis_cache import RedisCache
from .valkey_cache import ValkeyCache

TTL = Union[None, int, float, Configured]

_CLASSES: Dict[str, Type[Cache]] = {
    "redis": RedisCache,
    "valkey": ValkeyCache,
    "memory": MemoryCache,
}


class _AutoCache(Cache):
    """As CACHE_BACKEND says. Once a server has answered it is of the class that belongs to it."""

    def __init__(self, ttl: TTL = CONFIGURED) -> None:
        self._ttl = ttl
        self._reopen()

    def _reopen(self) -> None:
        pairs = () if self._ttl is CONFIGURED else (pair("ttl", self._ttl),)
        self._open(pairs, False, HOOKS)

    def connect(self) -> None:
        if not self._is_open:
            self._reopen()
        self._settle(self._connect())

    def _settle(self, provider: str) -> None:
        kind = _CLASSES[provider]
        config = kind._config_class.from_env()
        if self._ttl is not CONFIGURED:
            config = dataclasses.replace(config, ttl=self._ttl)
        self.config = config
        self.__class__ = kind  # type: ignore[assignment]

    def __repr__(self) -> str:
        return "Cache(as the environment says)"


class _NoCache:
    """In the place of a cache when none is installed."""

    def __getattr__(self, name: str) -> Any:
        raise _nothing_installed()


def _nothing_installed() -> CacheError:
    return make_error(_native.FAC_E_CLOSED, message="no cache is installed: call set_cache()")


class _Origin(enum.Enum):
    ENVIRONMENT = 1  # set_cache()
    OPTIONS = 2  # set_cache(provider=..., config=..., ttl=...)
    CALLER = 3  # set_cache(instance): theirs to close


_lock = threading.RLock()  # one set_cache() or close_cache() at a time; not while connecting
_target: Any = _NoCache()
_origin: Optional[_Origin] = None
_environment: Tuple[Tuple[str, str], ...] = ()  # what _target was made of, if of that


def _after_fork() -> None:
    global _lock
    _lock = threading.RLock()  # who held it is not in the child


os.register_at_fork(after_in_child=_after_fork)


def _install(
    cache: Any, origin: Optional[_Origin], environment: Tuple[Tuple[str, str], ...] = ()
) -> None:
    global _target, _origin, _environment
    if isinstance(cache, Cache):
        cache._set_quick(True)  # where the facade goes on without, it does not wait for long
    _target, _origin, _environment = cache, origin, environment
    forget_failures()


def _installed() -> Optional[Cache]:
    target: Any = _target
    return target if isinstance(target, Cache) else None


def _uninstall() -> None:
    _install(_NoCache(), None)


def _reach(cache: Cache) -> bool:
    """Whether the installed cache is usable now. Under no lock: nobody waits for this."""
    try:
        cache.connect()
        return True
    except CacheConfigError:
        with _lock:
            if _target is cache:
                _uninstall()
        raise
    except CacheError as error:
        note_failure("set_cache", error)
        return False


def _read_environment() -> Tuple[Tuple[str, str], ...]:
    return tuple(
        sorted(
            (name, value)
            for name, value in os.environ.items()
            if name.startswith(("CACHE_", "REDIS_", "VALKEY_"))
        )
    )


def _from_environment() -> Cache:
    """What set_cache() without arguments installs; what is installed may stay."""
    kept = _installed()
    environment = _read_environment()
    if kept and (_origin is not _Origin.ENVIRONMENT or environment == _environment):
        return kept
    cache = _AutoCache()
    _install(cache, _Origin.ENVIRONMENT, environment)
    return cache


def _from_arguments(
    provider: Optional[str], config: Optional[BaseConfig], ttl: TTL
) -> Cache:
    word = (provider or "auto").lower()
    if word != "auto" and word not in _CLASSES:
        raise make_error(
            _native.FAC_E_CONFIG,
            message=f"provider is {provider!r}: it must be redis, valkey, memory or auto",
        )
    if config is None and word == "auto":
        return _AutoCache(ttl)
    if config is not None and not isinstance(config, BaseConfig):
        raise TypeError(f"config must be a configuration, not {type(config).__name__}")
    if config is not None and word == "auto":
        word = config.provider
    kind = _CLASSES[word]
    if config is None:
        config = kind._config_class.from_env()
    elif not isinstance(config, kind._config_base):
        raise make_error(
            _native.FAC_E_CONFIG,
            message=f"a {type(config).__name__} does not fit the provider {word}",
        )
    if ttl is not CONFIGURED:
        config = dataclasses.replace(config, ttl=ttl)
    return kind(config)


def set_cache(
    cache_instance: Optional[Cache] = None,
    *,
    provider: Optional[str] = None,
    config: Optional[BaseConfig] = None,
    ttl: TTL = CONFIGURED,
) -> bool:
    """Install the process-wide cache, and connect to its server.

    Without arguments the environment decides: CACHE_BACKEND, REDIS_*, VALKEY_*. Any module may call
    it so again: with the same environment nothing changes, and a cache that was installed with
    arguments is kept. With an instance, that is installed, and stays its owner's to close. With
    `provider` ("redis", "valkey", "memory", "auto") or `config`, that one. `ttl`, in seconds, is the
    time to live of values stored without one; None: until evicted; omitted: as configured.

    True: a usable cache is installed. False: caching is disabled for now, since no server is usable;
    the log says why, and it heals by itself when the server comes. Settings that cannot be right
    raise CacheConfigError, and disable the cache that was installed: two parts of a program never
    work on different ideas of the settings.
    """
    is_plain = provider is None and config is None and ttl is CONFIGURED
    if cache_instance is not None and not isinstance(cache_instance, Cache):
        raise TypeError(f"not a cache: {type(cache_instance).__name__}")
    if cache_instance is not None and not is_plain:
        raise TypeError("set_cache() takes an instance or settings, not both")
    with _lock:
        try:
            if cache_instance is not None:
                cache = cache_instance
                _install(cache, _Origin.CALLER)
            elif is_plain:
                cache = _from_environment()
            else:
                cache = _from_arguments(provider, config, ttl)
                _install(cache, _Origin.OPTIONS)
        except CacheConfigError:
            _uninstall()
            raise
    return cache._is_reached and cache._is_open or _reach(cache)


def get_cache() -> Optional[Cache]:
    """The installed cache; None when caching is disabled, or no server has answered yet."""
    cache = _installed()
    if cache is None or not cache._is_reached:
        return None
    if isinstance(cache, _AutoCache):
        try:
            cache.connect()  # it healed by itself: see what it is
        except CacheError as error:
            note_failure("get_cache", error)
            return None
    return cache


def close_cache() -> None:
    """Disable the process-wide cache and end its connections, unless it was given as an instance.
    Calls in flight on other threads end as misses."""
    with _lock:
        cache, origin = _installed(), _origin
        _uninstall()
    if cache is not None and origin is not _Origin.CALLER:
        cache.close()


def cache_get(key: str, default: Any = None) -> Any:
    """The value of a key; `default` when there is none, or no cache."""
    try:
        return _target.get(key, default)
    except CacheError as error:
        note_failure("cache_get", error)
        return default


def cache_set(key: str, value: Any, ttl: TTL = CONFIGURED) -> bool:
    """Store a value. `ttl` is in seconds; omitted: the configured one; None: until evicted.

    True when stored. A value that is neither bytes nor JSON raises the TypeError of json.dumps()."""
    try:
        return bool(_target.set(key, value, ttl))
    except CacheError as error:
        note_failure("cache_set", error)
        return False


def cache_delete(key: str) -> bool:
    """Remove a key. True when it was there."""
    try:
        return bool(_target.delete(key))
    except CacheError as error:
        note_failure("cache_delete", error)
        return False


def cache_exists(key: str) -> bool:
    """True when the key is there."""
    try:
        return bool(_target.exists(key))
    except CacheError as error:
        note_failure("cache_exists", error)
        return False


def cache_touch(key: str, ttl: TTL = CONFIGURED) -> bool:
    """Give a key a new time to live, from now. True when it is there."""
    try:
        return bool(_target.touch(key, ttl))
    except CacheError as error:
        note_failure("cache_touch", error)
        return False


def cache_increment(key: str, delta: int = 1, ttl: TTL = CONFIGURED) -> Optional[int]:
    """Add to a whole number, atomically; an absent key counts as 0, and then gets `ttl`. The sum;
    None without a cache."""
    try:
        return int(_target.increment(key, delta, ttl))
    except CacheError as error:
        note_failure("cache_increment", error)
        return None


def cache_get_many(keys: Iterable[str]) -> Dict[str, Any]:
    """The values of many keys, as a dict of those found. When not all could be asked for, those
    that were."""
    try:
        found: Dict[str, Any] = _target.get_many(keys)
        return found
    except CacheError as error:
        note_failure("cache_get_many", error)
        return error.partial or {}


def cache_set_many(mapping: Mapping[str, Any], ttl: TTL = CONFIGURED) -> bool:
    """Store many values with one time to live. True when all were stored."""
    try:
        _target.set_many(mapping, ttl)
        return True
    except CacheError as error:
        note_failure("cache_set_many", error)
        return False


def cache_delete_many(keys: Iterable[str]) -> int:
    """Remove many keys. How many were there, as far as is known."""
    try:
        return int(_target.delete_many(keys))
    except CacheError as error:
        note_failure("cache_delete_many", error)
        return error.partial or 0


def cache_clear() -> int:
    """Remove every key under the prefix. How many were removed; 0 without a cache."""
    try:
        return int(_target.clear())
    except CacheError as error:
        note_failure("cache_clear", error)
        return 0


def stats() -> Dict[str, Any]:
    """The counters of the installed cache; {} without one."""
    try:
        counters: Dict[str, Any] = _target.stats()
        return counters
    except CacheClosedError:
        return {}
