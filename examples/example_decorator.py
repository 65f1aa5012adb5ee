# SPDX-License-Identifier: MIT
"""@cached: what a function returned is kept, and returned while it lives."""

from typing import Any, Dict

from faciliter_lib.cache import cached, set_cache

set_cache()  # without a usable cache the functions are just called

calls = 0


@cached(ttl=300, key="profile:{user_id}")
def load_profile(user_id: int) -> Dict[str, Any]:
    global calls
    calls += 1
    return {"id": user_id, "name": f"user {user_id}"}


load_profile.cache_delete(7)
print(load_profile(7), load_profile(user_id=7), load_profile(7))
print("loaded", calls, "times, under", load_profile.cache_key(7))
load_profile.cache_delete(7)  # it has changed
print(load_profile(7))
print("loaded", calls, "times")
load_profile.cache_delete(7)
