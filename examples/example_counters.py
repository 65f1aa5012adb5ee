# SPDX-License-Identifier: MIT
"""A counter that forgets itself: at most five requests a minute, counted atomically, whichever
process asks."""

from faciliter_lib.cache import cache_delete, cache_exists, cache_increment, cache_touch, set_cache

LIMIT = 5

if not set_cache():
    raise SystemExit("this example needs a cache: see the log")
cache_delete("requests:alice")


def is_allowed(user: str) -> bool:
    # The time to live is given by the call that creates the key, so the minute is the first's.
    count = cache_increment(f"requests:{user}", ttl=60)
    return count is None or count <= LIMIT  # None: no cache, so nobody is kept out


print([is_allowed("alice") for _ in range(7)])
print("another minute from now:", cache_touch("requests:alice", 60))
print("counted:", cache_exists("requests:alice"))
cache_delete("requests:alice")
