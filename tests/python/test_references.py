# SPDX-License-Identifier: MIT
"""No reference, no block and no memory is left behind: counted over many calls of every verb, the
failing ones included. With python3-dbg, whose interpreter counts all references, to the last one."""

import gc
import sys

import pytest
from conftest import BACKEND, CLASSES, SCALE

import faciliter_lib.cache as fc

# 10^6 calls at FAC_TEST_SCALE=100 on memory, and as many as take as long on a server.
N_CALLS = (1000000 if BACKEND == "memory" else 100000) * SCALE // 100

VALUE = {"name": "Alice", "tags": ["a", "b"], "n": 1.5, "big": 2**80}


def attempt(kind, work, *arguments, **keywords):
    try:
        work(*arguments, **keywords)
    except kind:
        return
    raise AssertionError("it did not fail")


def one_round(cache):
    """Each verb, in the ways it can end. Returns how many calls that was."""
    cache.set("k", VALUE)
    cache.set("k", VALUE, 60)
    cache.set("k", value=VALUE, ttl=None)
    assert cache.get("k") == VALUE
    assert cache.get("none", VALUE) is VALUE
    assert cache.get(key="none", default=1) == 1
    cache.set("b", b"bytes")
    assert cache.get("b") == b"bytes"
    cache.add("k", 1)
    cache.exists("k")
    cache.ttl("k")
    cache.ttl("none")
    cache.touch("k", 60)
    cache.delete("n")
    cache.increment("n", 5)
    cache.set_many({"a": VALUE, "b": b"x", "c": [1]}, 60)
    cache.get_many(["a", "b", "c", "none", "a"])
    cache.delete_many(["a", "none"])
    cache.stats()
    fc.cache_set("k", VALUE)
    fc.cache_get("k")
    fc.cache_get("none", 1)
    attempt(TypeError, cache.get, 1)
    attempt(TypeError, cache.get)
    attempt(TypeError, cache.get, "k", nonsense=1)
    attempt(TypeError, cache.set, "k", {1, 2})
    attempt(TypeError, cache.set, "k", 1, "ttl")
    attempt(TypeError, cache.set_many, {"good": 1, "bad": {1}})
    attempt(TypeError, cache.set_many, {"good": 1, 2: 1})
    attempt(TypeError, cache.get_many, ["k", 2])
    attempt(TypeError, cache.get_many, "k")
    attempt(fc.CacheInvalidError, cache.set, "k", 1, 0)
    attempt(fc.CacheInvalidError, cache.get, "")
    attempt(fc.CacheInvalidError, cache.get, "\ud800")
    attempt(fc.CacheInvalidError, cache.get_many, ["k", ""])
    attempt(fc.CacheInvalidError, cache.set_many, {"k": 1, "": 2})
    attempt(fc.CacheServerError, cache.increment, "b")
    return 37


def one_life(make_config):
    """A cache from its begin to its end, and the ways in which it does not begin."""
    cache = CLASSES[BACKEND][0](make_config())
    cache.connect()
    cache.health()
    cache.health_check()
    cache.close()
    attempt(fc.CacheClosedError, cache.get, "k")
    cache.connect()
    cache.clear()
    cache.circle = [cache]
    attempt(fc.CacheConfigError, CLASSES[BACKEND][0], make_config(ttl=0))
    assert type(cache.config).from_env() is not None


def count_references():
    """All references of the interpreter; of one that does not count them, blocks of memory."""
    gc.collect()
    return getattr(sys, "gettotalrefcount", sys.getallocatedblocks)()


def assert_steady(work, n):
    """`work` n times leaves as much as before, but for what happens once, such as a cache filled."""
    for _ in range(3):
        work()
    before = count_references()
    for _ in range(n):
        work()
    grown = count_references() - before
    # One for each round would be n; the interpreter's own caches come and go by some dozens, 71 once.
    assert grown < max(n // 2, 50), f"{grown} are left of {n} rounds"


def test_calls_leave_nothing(cache, installed):
    per_round = one_round(cache)
    assert_steady(lambda: one_round(cache), max(N_CALLS // per_round, 600))


def test_lives_leave_nothing(make_config):
    assert_steady(lambda: one_life(make_config), max(300 * SCALE // 100, 100))


def test_arguments_keep_their_count(cache):
    """Of each object that a call is given, by itself: here one too few would show as well."""
    key, value, default, ttl = "k" * 50, {"v": [1]}, object(), 12345.5
    keys, mapping = [key, key + "x"], {key: value}
    watched = [key, value, value["v"], default, ttl, keys, mapping, None, fc.CONFIGURED]
    before = [sys.getrefcount(thing) for thing in watched[:-2]]
    for _ in range(100):
        cache.set(key, value, ttl)
        cache.get(key, default)
        cache.get(keys[1], default)
        cache.add(key, value, ttl)
        cache.touch(key, ttl)
        cache.get_many(keys)
        cache.set_many(mapping, ttl)
        cache.delete_many(keys)
        cache.increment(keys[1], 7, ttl)
        cache.delete(keys[1])
        with pytest.raises(TypeError):
            cache.set(key, [value, default])
    assert [sys.getrefcount(thing) for thing in watched[:-2]] == before


def test_results_are_nobody_elses(cache):
    cache.set("k", ["x" * 100])
    # Outside of assert, which keeps what it compares for its message.
    count, of_a_new_list = sys.getrefcount(cache.get("k")), sys.getrefcount(["x" * 100])
    assert count == of_a_new_list
    default = object()
    got = cache.get("none", default)
    assert got is default
    found = cache.get_many(["k"])
    count = sys.getrefcount(found["k"])
    assert count == 2


@pytest.mark.counted_references
def test_a_leak_of_one_reference_a_round_would_show(cache):
    kept = []

    def leaking():
        cache.set("k", VALUE)
        kept.append(cache.get("none", VALUE))

    with pytest.raises(AssertionError, match="are left of"):
        assert_steady(leaking, 600)
