# SPDX-License-Identifier: MIT
"""How a typed program uses the package: `./dev lint python` holds it against the hints. Not run."""

from typing import Any, Dict, List, Optional

from faciliter_lib.cache import (
    CONFIGURED, Cache, CacheError, MemoryCache, MemoryConfig, RedisCache, RedisConfig, ValkeyConfig,
    cache_clear, cache_delete, cache_get, cache_get_many, cache_increment, cache_set,
    cache_set_many, cached, get_cache, set_cache, stats,
)


@cached
def plain(number: int) -> List[int]:
    return [number]


@cached(ttl=60, key=lambda number: f"n:{number}")
def with_key(number: int) -> Optional[str]:
    return str(number)


def use(cache: Cache) -> float:
    with cache as same:
        same.set("k", {"a": 1}, ttl=None)
        same.set("k", b"bytes", 1.5)
        same.touch("k", CONFIGURED)
        count: int = same.increment("n", delta=2, ttl=60)
        left: Optional[float] = same.ttl("k")
        found: Dict[str, Any] = same.get_many(key for key in ("a", "b"))
        healthy: bool = same.health_check()
        return count + (left or 0) + len(found) + int(healthy)


def main() -> None:
    installed: bool = set_cache()
    installed = set_cache(provider="redis", config=RedisConfig(host="h", port=1, ttl=None), ttl=5)
    installed = set_cache(config=ValkeyConfig(url="valkey://h", timeout=0.5))
    installed = set_cache(MemoryCache.from_config(MemoryConfig(memory_bytes="1MiB")))
    memory: MemoryCache = MemoryCache.from_config(MemoryConfig())
    redis: RedisCache = RedisCache(config=RedisConfig.from_env())
    installed_cache: Optional[Cache] = get_cache()
    if installed_cache is not None and installed_cache.health_check():
        use(installed_cache)
    use(memory)
    use(redis)
    stored: bool = cache_set("k", 1, ttl=300) and cache_set_many({"k": [1, 2]}, ttl=0.5)
    total: Optional[int] = cache_increment("k")
    removed: int = cache_clear()
    numbers: List[int] = plain(1)
    text: Optional[str] = with_key(number=2)
    try:
        value: Any = cache_get("k", default=None)
    except CacheError as error:
        value = (error.status, error.maybe_applied, error.partial)
    print(installed, stored, total, removed, numbers, text, value, cache_delete("k"), stats(),
          cache_get_many(["a"]))
