# SPDX-License-Identifier: MIT
"""A cache of one's own: settings in code, one pool of connections for several threads, a health
check and its report, the counters, and a clean end. The environment says where the server is:
REDIS_HOST, REDIS_PORT and so on. Run: python3 example_cache_pooling_health_check.py"""

import sys
from concurrent.futures import ThreadPoolExecutor

from faciliter_lib.cache import CacheError
from faciliter_lib.cache.redis_cache import RedisCache
from faciliter_lib.cache.redis_config import RedisConfig

N_THREADS = 8
N_ROUNDS = 100


def work(cache: RedisCache, number: int) -> int:
    """What each thread does: write and read back, on the one cache, without locking."""
    for i in range(N_ROUNDS):
        key = f"pooling:{number}:{i}"
        cache.set(key, {"thread": number, "round": i}, ttl=60)
        assert cache.get(key) == {"thread": number, "round": i}
        cache.delete(key)
    return N_ROUNDS


def main() -> int:
    config = RedisConfig.from_env()  # everything from the environment …
    config.max_connections = 4  # … but the size of the pool,
    config.retry_on_timeout = True  # and that a read is sent once more when half the time is over
    print(config)

    cache = RedisCache(config=config)  # does not connect
    try:
        cache.connect()
        if not cache.health_check():
            print("Cache server is unavailable")
            return 1
        print("Cache server is healthy")
        with ThreadPoolExecutor(N_THREADS) as threads:
            n_done = sum(threads.map(lambda n: work(cache, n), range(N_THREADS)))
        print(f"{n_done} rounds of {N_THREADS} threads")

        health = cache.health()
        print(
            f"{health['server']} {health['version']} at {health['endpoint']}: "
            f"{health['connections_open']} connections of at most {health['max_connections']}, "
            f"answered in {health['latency_us']} us"
        )
        stats = cache.stats()
        print(f"{stats['hits']} hits, {stats['misses']} misses, {stats['errors']} errors")
        return 0
    except CacheError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 1
    finally:
        cache.close()  # ends the connections


if __name__ == "__main__":
    sys.exit(main())
