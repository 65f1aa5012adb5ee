# SPDX-License-Identifier: MIT
"""@cached: what a function returned is kept in the process-wide cache."""

from __future__ import annotations

import functools
import inspect
import json
from typing import TYPE_CHECKING, Any, Callable, Optional, Union, cast, overload

from . import cache_manager
from ._codec import CONFIGURED
from .cache_manager import TTL

Key = Union[None, str, Callable[..., str]]

if TYPE_CHECKING:
    from typing import Protocol, TypeVar

    from typing_extensions import ParamSpec  # a type checker has it, and nobody else asks

    P = ParamSpec("P")
    R = TypeVar("R", covariant=True)

    class CachedFunction(Protocol[P, R]):
        """What @cached makes of a function."""

        def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R: ...
        def __get__(self, instance: Any, owner: Any = None) -> Callable[..., R]: ...
        def cache_key(self, *args: P.args, **kwargs: P.kwargs) -> str: ...
        def cache_delete(self, *args: P.args, **kwargs: P.kwargs) -> bool: ...


_MISSING = object()


def _key_maker(function: Callable[..., Any], key: Key) -> Callable[..., str]:
    signature = inspect.signature(function)
    name = f"{function.__module__}.{function.__qualname__}"

    def bound(args: Any, kwargs: Any) -> inspect.BoundArguments:
        arguments = signature.bind(*args, **kwargs)
        arguments.apply_defaults()
        return arguments

    def from_template(*args: Any, **kwargs: Any) -> str:
        arguments = bound(args, kwargs)
        return cast(str, key).format(*arguments.args, **arguments.arguments)

    def from_arguments(*args: Any, **kwargs: Any) -> str:
        try:
            text = json.dumps(bound(args, kwargs).arguments, sort_keys=True)
        except TypeError as error:
            raise TypeError(f"@cached cannot make a key for {name}: {error}; give key=") from None
        return f"{name}:{text}"

    if isinstance(key, str):
        return from_template
    return from_arguments if key is None else key


@overload
def cached(function: Callable[P, R]) -> CachedFunction[P, R]: ...
@overload
def cached(
    *, ttl: TTL = ..., key: Key = None
) -> Callable[[Callable[P, R]], CachedFunction[P, R]]: ...
def cached(function: Optional[Any] = None, *, ttl: TTL = CONFIGURED, key: Key = None) -> Any:
    """Keep what a function returns in the process-wide cache, and return that while it lives.

    `ttl` is as for cache_set(). `key` is a template over the arguments, "user:{id}" or "user:{0}",
    or a function of them; without one the key is the function's name and its arguments as JSON.
    What the function returns must be a value that can be cached; None is one. Without a cache the
    function is just called. The decorated function has cache_key(...), the key for arguments, and
    cache_delete(...), which forgets what is kept for them.
    """

    def decorate(inner: Any) -> Any:
        if inspect.iscoroutinefunction(inner) or inspect.isgeneratorfunction(inner):
            raise TypeError("@cached is for functions that return a value, not for async or yield")
        make_key = _key_maker(inner, key)

        @functools.wraps(inner)
        def outer(*args: Any, **kwargs: Any) -> Any:
            full_key = make_key(*args, **kwargs)
            value = cache_manager.cache_get(full_key, _MISSING)
            if value is _MISSING:
                value = inner(*args, **kwargs)
                cache_manager.cache_set(full_key, value, ttl)
            return value

        def cache_delete(*args: Any, **kwargs: Any) -> bool:
            return cache_manager.cache_delete(make_key(*args, **kwargs))

        outer.cache_key = make_key  # type: ignore[attr-defined]
        outer.cache_delete = cache_delete  # type: ignore[attr-defined]
        return outer

    return decorate if function is None else decorate(function)
