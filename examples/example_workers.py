# SPDX-License-Identifier: MIT
"""The pre-fork model, as gunicorn has it: the master loads the application and calls set_cache();
each worker goes on with that cache, over connections of its own."""

import os

from faciliter_lib.cache import cache_get, cache_set, set_cache

if not set_cache():
    raise SystemExit("this example needs a cache: see the log")
cache_set("config:greeting", "hello", ttl=60)

workers = []
for number in range(3):
    pid = os.fork()
    if pid == 0:
        cache_set(f"worker:{number}", f"{cache_get('config:greeting')} from worker {number}", ttl=60)
        ok = cache_get(f"worker:{number}") is not None
        os._exit(0 if ok else 1)
    workers.append(pid)

codes = [os.waitpid(pid, 0)[1] for pid in workers]
print("workers ended with", codes)
# On a server the master sees what they stored; memory is each process's own.
print([cache_get(f"worker:{number}", default="not here") for number in range(3)])
