# SPDX-License-Identifier: MIT
"""The cases of tests/live/conformance_*_test.c, through Python: one suite for every backend. What a
case there says of NULL, of structs and of buffers has no counterpart here."""

import math
import threading

import pytest
from conftest import BACKEND, CLASSES, scaled, wait_for

import faciliter_lib.cache as fc

TEN_YEARS_S = 315360000
SLACK_S = 30  # a slow machine is no failure
BAD_TTLS = [0, -1, -2, -1000, 0.0, -0.5, 0.0004, TEN_YEARS_S + 1, 10**30, float("nan"),
            float("inf"), -2147483.648, -2147483.647, -(2**63)]


def opened(config):
    return CLASSES[BACKEND][0](config)


# --- value ----------------------------------------------------------------------------------------


def test_gets_what_was_set(cache):
    assert cache.get("k") is None
    assert cache.get("k", 7) == 7
    assert cache.set("k", "v") is True
    assert cache.get("k") == "v"
    assert cache.set("k", "other") is True
    assert cache.get(key="k", default=1) == "other"


def test_add_stores_only_once(cache):
    assert cache.add("k", "first") is True
    assert cache.add("k", "second", 50) is False
    assert cache.get("k") == "first"
    assert cache.delete("k") is True
    assert cache.add("k", "third", ttl=50) is True
    assert 50 - SLACK_S <= cache.ttl("k") <= 50


def test_add_is_atomic(cache):
    n_threads, n_rounds, wins = 8, scaled(40, 5), []

    def work():
        for i in range(n_rounds):
            if cache.add(f"k{i}", threading.get_ident()):
                wins.append(i)

    run_threads(work, n_threads)
    assert sorted(wins) == list(range(n_rounds))


def test_deletes_and_tells(cache):
    assert cache.delete("k") is False
    assert cache.exists("k") is False
    cache.set("k", None)
    assert cache.exists("k") is True
    assert cache.get("k", "default") is None
    assert cache.delete("k") is True
    assert cache.exists("k") is False


@pytest.mark.parametrize("key", ["k", " ", "\0", "a\r\nb", "\u00e9\u4e2d\U0001f600", "*?[]\\",
                                 "x" * 1000])
def test_keeps_every_byte_of_a_key(cache, key):
    cache.set(key, key)
    assert cache.get(key) == key
    assert cache.get_many([key, key + "x"]) == {key: key}
    assert cache.delete(key) is True


def test_keeps_every_size(cache):
    for size in [0, 1, 2, 63, 64, 65, 4095, 4096, 4097, 65535, 65536, 65537, 300000, 2**20]:
        cache.set("k", b"\xa5" * size)
        assert cache.get("k") == b"\xa5" * size
        cache.set("k", "x" * size)
        assert cache.get("k") == "x" * size


def test_key_has_a_limit(cache):
    room = 65536 - len(cache.config.prefix)
    assert cache.set("x" * room, 1) is True
    assert cache.get("x" * room) == 1
    for key in ["", "x" * (room + 1), "x" * 2**20, "\ud800"]:
        for attempt in (cache.get, cache.delete, cache.exists, cache.touch, cache.increment,
                        cache.ttl, lambda k: cache.set(k, 1), lambda k: cache.add(k, 1)):
            with pytest.raises(fc.CacheInvalidError):
                attempt(key)


def test_value_has_a_limit(make_config):
    config = make_config(memory_bytes=256 * 2**20) if BACKEND == "memory" else make_config()
    with opened(config) as cache:
        limit = 64 * 2**20
        with pytest.raises(fc.CacheInvalidError) as caught:
            cache.set("k", b"x" * limit)  # with its mark one byte too many
        assert caught.value.status == "FAC_E_TOO_LARGE"
        assert cache.get("k") is None


@pytest.mark.parametrize("key", [None, 1, b"k", ["k"], object()])
def test_a_key_is_a_str(cache, key):
    for attempt in (cache.get, cache.delete, cache.exists, cache.touch, cache.increment, cache.ttl,
                    lambda k: cache.set(k, 1), lambda k: cache.add(k, 1),
                    lambda k: cache.get_many([k]), lambda k: cache.delete_many(["a", k])):
        with pytest.raises(TypeError, match=f"str, not {type(key).__name__}"):
            attempt(key)


def test_arguments_are_checked(cache):
    for attempt in (
        lambda: cache.get(), lambda: cache.get("k", 1, 2), lambda: cache.get("k", key="k"),
        lambda: cache.get("k", fallback=1), lambda: cache.set("k"), lambda: cache.delete(),
        lambda: cache.set("k", 1, 2, 3), lambda: cache.get_many("key"), lambda: cache.get_many(7),
        lambda: cache.delete_many(b"key"), lambda: cache.set_many([1]), lambda: cache.set_many(7),
        lambda: cache.increment("k", "1"), lambda: cache.increment("k", 1.5),
        lambda: cache.set("k", 1, True), lambda: cache.set("k", 1, "60"), lambda: cache.clear(1),
    ):
        with pytest.raises((TypeError, AttributeError)):
            attempt()


# --- ttl ------------------------------------------------------------------------------------------


def test_ttl_is_what_was_given(cache):
    assert cache.ttl("k") is None
    cache.set("k", 1, 60)
    assert 60 - SLACK_S <= cache.ttl("k") <= 60
    cache.set("k", 1, ttl=None)
    assert cache.ttl("k") == math.inf
    cache.set("k", 1, TEN_YEARS_S)
    assert TEN_YEARS_S - SLACK_S <= cache.ttl("k") <= TEN_YEARS_S
    cache.set("k", 1, 90.25)
    assert 90.25 - SLACK_S <= cache.ttl("k") <= 90.25


def test_ttl_default_is_the_settings(make_config):
    with opened(make_config(ttl=123)) as cache:
        cache.set("k", 1)
        cache.set("explicit", 1, fc.CONFIGURED)
        cache.add("k2", 1)
        cache.increment("k3")
        cache.set_many({"k4": 1})
        cache.set("k5", 1, None)
        assert cache.touch("k5") is True
        for key in ["k", "explicit", "k2", "k3", "k4", "k5"]:
            assert 123 - SLACK_S <= cache.ttl(key) <= 123


def test_ttl_default_is_an_hour(cache):
    cache.set("k", 1)
    assert 3600 - SLACK_S <= cache.ttl("k") <= 3600


def test_ttl_default_may_be_none(make_config):
    with opened(make_config(ttl=None)) as cache:
        cache.set("k", 1)
        assert cache.ttl("k") == math.inf


def test_touch_gives_a_new_ttl(cache):
    assert cache.touch("k", 1) is False
    assert cache.touch("k", None) is False
    assert cache.exists("k") is False
    cache.set("k", "v", None)
    assert cache.touch("k", 90) is True
    assert 90 - SLACK_S <= cache.ttl("k") <= 90
    assert cache.touch("k", ttl=None) is True
    assert cache.ttl("k") == math.inf
    assert cache.touch("k", None) is True
    assert cache.get("k") == "v"


def test_expires(cache):
    cache.set("long", "v", 600)
    cache.set("short", "v", 0.06)
    cache.add("short2", "v", 0.06)
    cache.set_many({"short3": "v"}, 0.06)
    cache.increment("short4", 1, 0.06)
    cache.set("short5", "v", None)
    cache.touch("short5", 0.001)
    for key in ["short", "short2", "short3", "short4", "short5"]:
        wait_for(lambda: cache.get(key) is None)
        assert cache.exists(key) is False
        assert cache.delete(key) is False
    assert cache.get("long") == "v"
    cache.set("short", "again", None)
    assert cache.get("short") == "again"


@pytest.mark.parametrize("ttl", BAD_TTLS)
def test_refuses_a_ttl_out_of_range(cache, ttl):
    cache.set("k", 1, 500)
    for attempt in (
        lambda: cache.set("k", 2, ttl), lambda: cache.add("new", 2, ttl),
        lambda: cache.touch("k", ttl), lambda: cache.increment("k", 1, ttl),
        lambda: cache.set_many({"k": 2}, ttl),
    ):
        with pytest.raises(fc.CacheInvalidError) as caught:
            attempt()
        assert caught.value.maybe_applied is False
        assert caught.value.status == "FAC_E_INVALID"
    assert cache.get("k") == 1
    assert 500 - SLACK_S <= cache.ttl("k") <= 500
    assert cache.exists("new") is False


# --- increment ------------------------------------------------------------------------------------


def test_increments(cache):
    assert cache.increment("n") == 1
    assert cache.increment("n", 41) == 42
    assert cache.increment("n", -50) == -8
    assert cache.increment("n", delta=0) == -8
    assert cache.get("n") == -8
    cache.set("m", 5)
    assert cache.increment("m", 2**62) == 2**62 + 5


def test_increment_refuses_what_does_not_fit(cache):
    cache.set("text", "a text")
    cache.set("big", 2**63 - 1)
    for attempt in (lambda: cache.increment("text"), lambda: cache.increment("big")):
        with pytest.raises(fc.CacheServerError) as caught:
            attempt()
        assert caught.value.status == "FAC_E_SERVER"
    for delta in (2**63, -(2**63) - 1, 10**30):
        with pytest.raises(fc.CacheInvalidError):
            cache.increment("k", delta)
    assert cache.get("big") == 2**63 - 1
    assert cache.exists("k") is False


def test_increment_gives_a_ttl_when_it_creates(cache):
    cache.increment("n", 1, 60)
    assert 60 - SLACK_S <= cache.ttl("n") <= 60
    cache.increment("n", 1, 600)
    assert cache.ttl("n") <= 60
    cache.increment("m", 1, None)
    assert cache.ttl("m") == math.inf


def test_increment_is_atomic(cache):
    n_threads, n_rounds = 8, scaled(100, 10)

    def work():
        for _ in range(n_rounds):
            cache.increment("n", 3)

    run_threads(work, n_threads)
    assert cache.get("n") == n_threads * n_rounds * 3


# --- many -----------------------------------------------------------------------------------------


def test_many_of_every_count(cache):
    for n in [0, 1, 3, 100, 1000]:
        keys = [f"k{i}" for i in range(n)]
        values = {key: {"i": i} for i, key in enumerate(keys)}
        assert cache.get_many(keys) == {}
        assert cache.set_many(values) == n
        assert cache.get_many(iter(keys)) == values
        assert cache.delete_many(set(keys)) == n
        assert cache.delete_many(keys) == 0


def test_many_with_partial_misses_and_duplicates(cache):
    cache.set("a", 1)
    cache.set("b\0\r\n", "")
    keys = ["a", "no", "a", "b\0\r\n", "b", "a"]
    assert cache.get_many(keys) == {"a": 1, "b\0\r\n": ""}
    assert list(cache.get_many(keys)) == ["a", "b\0\r\n"]
    assert cache.delete_many(keys) == 2


def test_many_with_a_bad_key_among_good_ones(cache):
    bad = "x" * 70000
    with pytest.raises(fc.CacheInvalidError) as caught:
        cache.set_many({"a": 1, bad: 2, "b": 3, "": 4})
    assert caught.value.partial == 2
    with pytest.raises(fc.CacheInvalidError) as caught:
        cache.get_many(["a", bad, "b", ""])
    assert caught.value.partial == {"a": 1, "b": 3}
    with pytest.raises(fc.CacheInvalidError) as caught:
        cache.delete_many(["a", bad, "b", ""])
    assert caught.value.partial == 2
    assert cache.exists("a") is False


def test_many_has_a_count_limit(cache):
    with pytest.raises(fc.CacheInvalidError) as caught:
        cache.get_many(["k"] * 1000001)
    assert caught.value.partial == {}


def test_many_large_values(cache):
    values = {f"k{i}": bytes([i]) * 200000 for i in range(20)}
    assert cache.set_many(values) == 20
    assert cache.get_many(values) == values


# --- clear ----------------------------------------------------------------------------------------


def test_clear_removes_all(cache):
    assert cache.clear() == 0
    cache.set_many({f"k{i}": i for i in range(1500)})
    assert cache.clear() == 1500
    assert cache.get_many([f"k{i}" for i in range(1500)]) == {}


def test_clear_refuses_an_empty_prefix(make_config):
    with opened(make_config(prefix="")) as cache:
        cache.set("unprefixed", 1)
        with pytest.raises(fc.CacheInvalidError):
            cache.clear()
        assert cache.get("unprefixed") == 1
        cache.delete("unprefixed")


@pytest.mark.backends("redis", "valkey")
def test_clear_takes_a_prefix_literally(make_config):
    with opened(make_config(prefix="a*[b]?:")) as odd, opened(make_config(prefix="axxb1:")) as near:
        odd.set("k", 1)
        near.set("k", 2)
        assert odd.clear() == 1
        assert near.get("k") == 2
        near.delete("k")


# --- contract -------------------------------------------------------------------------------------


def test_closed_says_so(cache):
    cache.set("k", 1)
    cache.close()
    cache.close()
    for attempt in (
        lambda: cache.get("k"), lambda: cache.set("k", 1), lambda: cache.add("k", 1),
        lambda: cache.delete("k"), lambda: cache.exists("k"), lambda: cache.ttl("k"),
        lambda: cache.touch("k"), lambda: cache.increment("k"), lambda: cache.get_many(["k"]),
        lambda: cache.set_many({"k": 1}), lambda: cache.delete_many(["k"]), cache.clear,
        cache.stats, cache.health,
    ):
        with pytest.raises(fc.CacheClosedError):
            attempt()
    assert cache.health_check() is False


def test_connect_opens_again(cache):
    cache.set("k", 1)
    cache.close()
    cache.connect()
    assert cache.health_check() is True
    # A server has kept it; a store of one's own ends with the cache.
    assert cache.get("k") == (None if BACKEND == "memory" else 1)
    with cache:
        cache.set("k", 2)
        assert cache.get("k") == 2
    with pytest.raises(fc.CacheClosedError):
        cache.get("k")


def test_health_tells_what_answers(cache, server):
    health = cache.health()
    assert cache.health_check() is True
    assert health["is_healthy"] is True and health["error"] == ""
    assert health["provider"] == health["server"] == BACKEND
    assert health["breaker_state"] == "closed"
    if server is not None:
        assert health["endpoint"] == f"127.0.0.1:{server.port}"
        assert health["connections_open"] >= 1 and health["max_connections"] == 50
        assert health["role"] == "master" and health["version"][0].isdigit()


def test_stats_count(make_config):
    with opened(make_config()) as cache:
        cache.set("k", 1)
        cache.get("k")
        cache.get("no")
        cache.get_many(["k", "no"])
        cache.delete("k")
        stats = cache.stats()
        assert {name: stats[name] for name in ("hits", "misses", "sets", "deletes", "errors")} == {
            "hits": 2, "misses": 2, "sets": 1, "deletes": 1, "errors": 0,
        }
        assert stats["breaker_state"] == "closed"


def run_threads(work, n_threads):
    failures = []

    def guarded():
        try:
            work()
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=guarded) for _ in range(n_threads)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
