# SPDX-License-Identifier: MIT
"""The whole of it: one set_cache() at start-up, and four words anywhere. The environment decides
what answers: CACHE_BACKEND, REDIS_*, VALKEY_*; CACHE_BACKEND=memory needs no server."""

from faciliter_lib.cache.cache_manager import cache_delete, cache_get, cache_set, set_cache

if not set_cache():
    print("caching is disabled for now: everything below misses, and nothing fails")

cache_set("user:123", {"name": "Alice", "roles": ["admin"]}, ttl=300)  # seconds
print(cache_get("user:123", default="not cached"))

cache_set("logo", b"\x89PNG\r\n", ttl=None)  # bytes stay bytes; None: until evicted
print(cache_get("logo", default="not cached"))

print(cache_delete("user:123"), cache_delete("logo"), cache_get("user:123"))
