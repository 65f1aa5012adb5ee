# SPDX-License-Identifier: MIT
"""Many keys in one round trip: set_many, get_many, delete_many, and clear of what is left."""

from faciliter_lib.cache import (
    cache_clear, cache_delete_many, cache_get_many, cache_set_many, set_cache,
)

if not set_cache():
    raise SystemExit("this example needs a cache: see the log")

users = {f"user:{i}": {"id": i, "name": f"user {i}"} for i in range(100)}
print(cache_set_many(users, ttl=60))

wanted = ["user:7", "user:42", "user:1000"]
found = cache_get_many(wanted)
print(found)
print("to be loaded:", [key for key in wanted if key not in found])

print(cache_delete_many(["user:7", "user:1000"]), "removed")
print(cache_clear(), "cleared")  # every key under the prefix, and no other
