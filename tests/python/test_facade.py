# SPDX-License-Identifier: MIT
"""The process-wide cache: how it is installed, replaced and missed."""

import logging
import os

import pytest
from conftest import BACKEND, CLASSES, scaled, wait_for

import faciliter_lib.cache as fc
from faciliter_lib.cache import _log, cache_manager
from faciliter_lib.cache.cache_manager import (
    cache_delete, cache_get, cache_set, get_cache, set_cache,
)

LOGGER = "faciliter_lib.cache"


@pytest.fixture
def environment(server):
    """Settings of the backend in the environment, as a deployment has them."""
    os.environ["CACHE_BACKEND"] = BACKEND
    if server is not None:
        family = BACKEND.upper()
        os.environ.update({f"{family}_HOST": "127.0.0.1", f"{family}_PORT": str(server.port)})


# --- the verbs ------------------------------------------------------------------------------------


def test_verbs_of_the_document(installed):
    assert cache_get("k") is None
    assert cache_get("k", "default") == "default"
    assert cache_get("k", default=0) == 0
    assert cache_set("k", {"name": "Alice"}, ttl=300) is True
    assert cache_get("k") == {"name": "Alice"}
    assert 1 < installed.ttl("k") <= 300
    assert cache_delete("k") is True
    assert cache_delete("k") is False
    assert get_cache() is installed


def test_omitted_ttl_is_configured_and_none_persists(make_config):
    assert set_cache(config=make_config(ttl=77)) is True
    cache_set("omitted", 1)
    cache_set("none", 1, None)
    cache_set("named_none", 1, ttl=None)
    assert 1 < get_cache().ttl("omitted") <= 77
    assert get_cache().ttl("none") == get_cache().ttl("named_none") == float("inf")


def test_set_cache_takes_a_ttl(make_config):
    assert set_cache(provider=BACKEND, config=make_config(), ttl=55) is True
    cache_set("k", 1)
    assert 1 < get_cache().ttl("k") <= 55
    assert get_cache().config.ttl == 55
    set_cache(provider=BACKEND, config=make_config(), ttl=None)
    cache_set("k", 1)
    assert get_cache().ttl("k") == float("inf")


def test_verbs_beyond_the_document(installed):
    assert fc.cache_exists("k") is False
    assert fc.cache_touch("k", 5) is False
    assert fc.cache_set_many({"a": 1, "b": [2]}, ttl=60) is True
    assert fc.cache_get_many(["a", "b", "c"]) == {"a": 1, "b": [2]}
    assert fc.cache_exists("a") is True
    assert fc.cache_touch("a", 600) is True
    assert 60 < installed.ttl("a") <= 600
    assert fc.cache_increment("n") == 1
    assert fc.cache_increment("n", 9, ttl=60) == 10
    assert fc.cache_delete_many(["a", "zzz"]) == 1
    assert fc.stats()["sets"] == 2
    assert fc.cache_clear() == 2
    assert fc.cache_get_many(["b", "n"]) == {}


# --- without a cache ------------------------------------------------------------------------------


def all_miss():
    assert cache_get("k") is None and cache_get("k", 5) == 5
    assert cache_set("k", 1) is False and cache_delete("k") is False
    assert fc.cache_exists("k") is False and fc.cache_touch("k") is False
    assert fc.cache_increment("k") is None and fc.cache_get_many(["k"]) == {}
    assert fc.cache_set_many({"k": 1}) is False and fc.cache_delete_many(["k"]) == 0
    assert fc.cache_clear() == 0


def test_without_a_cache_everything_misses(caplog):
    all_miss()
    assert fc.stats() == {}
    assert get_cache() is None
    assert "call set_cache()" in caplog.text


def test_a_failure_is_logged_once_and_not_too_often(caplog, monkeypatch):
    now = [100.0]
    monkeypatch.setattr(_log.time, "monotonic", lambda: now[0])
    for _ in range(1000):
        cache_get("secret-key")
    assert len(caplog.records) == 1
    assert caplog.records[0].name == LOGGER and caplog.records[0].levelno == logging.WARNING
    assert "secret-key" not in caplog.text
    now[0] += _log.INTERVAL_S - 0.1
    cache_set("k", 1)
    assert len(caplog.records) == 1
    now[0] += 0.2
    cache_set("k", 1)
    assert len(caplog.records) == 2 and "(1000 more" in caplog.text


@pytest.mark.parametrize("key", [None, 1, b"k"])
def test_mistakes_of_the_program_raise(installed, key):
    for attempt in (cache_get, cache_delete, fc.cache_exists, lambda k: cache_set(k, 1)):
        with pytest.raises(TypeError):
            attempt(key)
    with pytest.raises(TypeError):
        cache_set("k", 1, "60")


@pytest.mark.parametrize("ttl", [0, -1, 10**12])
def test_values_of_the_moment_do_not(installed, ttl, caplog):
    """An expires - now that is over by now, a key made of what a user typed: no reason to crash."""
    assert cache_set("k", 1, ttl) is False
    assert cache_get("x" * 70000, "default") == "default"
    assert "time to live" in caplog.text
    assert cache_get("k") is None


def test_a_batch_gives_what_it_can(installed):
    cache_set("a", 1)
    assert fc.cache_get_many(["a", "x" * 70000]) == {"a": 1}
    assert fc.cache_delete_many(["a", ""]) == 1


# --- installing -----------------------------------------------------------------------------------


def test_set_cache_reads_the_environment(environment):
    assert set_cache() is True
    assert type(get_cache()) is CLASSES[BACKEND][0]
    assert get_cache().config == CLASSES[BACKEND][1].from_env()
    assert cache_set("k", 1) is True and cache_get("k") == 1
    assert isinstance(get_cache(), fc.Cache)
    cache_delete("k")


def test_set_cache_again_changes_nothing(environment):
    assert set_cache() is True
    first = get_cache()
    cache_set("k", 1)
    assert set_cache() is True
    assert get_cache() is first and cache_get("k") == 1
    cache_delete("k")


def test_set_cache_again_with_another_environment_replaces(environment):
    set_cache()
    first = get_cache()
    os.environ["CACHE_PREFIX" if BACKEND == "memory" else f"{BACKEND.upper()}_PREFIX"] = "other:"
    assert set_cache() is True
    assert get_cache() is not first and get_cache().config.prefix == "other:"
    assert first.health_check() is True  # whoever has it may go on


def test_what_was_installed_with_arguments_is_kept(environment, make_config):
    set_cache(config=make_config(ttl=9))
    kept = get_cache()
    assert set_cache() is True
    assert get_cache() is kept


def test_an_instance_stays_its_owners(cache):
    assert set_cache(cache) is True
    assert get_cache() is cache
    fc.close_cache()
    assert get_cache() is None and cache.health_check() is True


def test_what_set_cache_made_is_closed(make_config):
    set_cache(config=make_config())
    cache = get_cache()
    fc.close_cache()
    fc.close_cache()
    with pytest.raises(fc.CacheClosedError):
        cache.get("k")


def test_calls_on_the_old_cache_finish(make_config):
    set_cache(config=make_config())
    old = get_cache()
    set_cache(config=make_config(prefix="new:"))
    old.set("k", 1)
    assert old.get("k") == 1


def test_arguments_that_cannot_be_right(make_config, cache):
    set_cache(cache)
    for attempt in (lambda: set_cache(provider="memcached"), lambda: set_cache(provider="postgres")):
        with pytest.raises(fc.CacheConfigError, match="redis, valkey"):
            attempt()
        assert get_cache() is None  # two parts of a program never work on different ideas
    os.environ["CACHE_BACKEND"] = "disk"
    with pytest.raises(fc.CacheConfigError, match="CACHE_BACKEND"):
        set_cache()
    for attempt in (lambda: set_cache("redis"), lambda: set_cache(cache, provider="redis"),
                    lambda: set_cache(config="redis://h"), lambda: set_cache(cache, ttl=1)):
        with pytest.raises(TypeError):
            attempt()


def test_a_provider_and_its_config_fit(make_config):
    wrong = fc.RedisConfig() if BACKEND == "memory" else fc.MemoryConfig()
    with pytest.raises(fc.CacheConfigError):
        set_cache(provider=BACKEND, config=wrong)
    assert set_cache(provider=BACKEND.upper(), config=make_config()) is True
    assert set_cache(provider="auto", config=make_config()) is True
    assert type(get_cache()) is CLASSES[BACKEND][0]


@pytest.mark.backends("redis", "valkey")
def test_either_server_takes_the_others_config(make_config, server):
    other = {"redis": "valkey", "valkey": "redis"}[BACKEND]
    assert set_cache(provider=other, config=make_config()) is True
    assert type(get_cache()) is CLASSES[other][0]
    assert get_cache().health()["server"] == BACKEND


@pytest.mark.backends("redis", "valkey")
def test_auto_takes_the_family_that_is_named(server):
    os.environ[f"{BACKEND.upper()}_PORT"] = str(server.port)
    assert set_cache() is True
    assert type(get_cache()) is CLASSES[BACKEND][0]
    assert set_cache(ttl=44) is True
    assert get_cache().config.ttl == 44 and type(get_cache()) is CLASSES[BACKEND][0]


@pytest.mark.backends("redis", "valkey")
def test_the_other_server_is_logged(make_config, caplog):
    other = {"redis": "valkey", "valkey": "redis"}[BACKEND]
    caplog.set_level(logging.DEBUG, LOGGER)
    set_cache(provider=other, config=make_config())
    assert any(BACKEND in record.message for record in caplog.records)


# --- a server that is not there, and comes --------------------------------------------------------


@pytest.mark.backends("redis", "valkey")
def test_no_server_is_false_and_heals(own_server, make_config, caplog):
    config = make_config(own_server)
    own_server.kill()
    assert set_cache(config=config) is False
    assert get_cache() is None
    all_miss()
    assert "set_cache went on without a cache" in caplog.text
    own_server.restart()
    wait_for(lambda: cache_set("k", 1))
    assert cache_get("k") == 1
    assert type(get_cache()) is CLASSES[BACKEND][0]


@pytest.mark.backends("redis", "valkey")
def test_no_server_in_the_environment_heals(own_server):
    family = BACKEND.upper()
    os.environ.update({f"{family}_HOST": "127.0.0.1", f"{family}_PORT": str(own_server.port)})
    own_server.kill()
    assert set_cache() is False
    assert set_cache() is False
    assert get_cache() is None
    own_server.restart()
    wait_for(lambda: cache_set("k", 1))
    assert type(get_cache()) is CLASSES[BACKEND][0]
    assert set_cache() is True


@pytest.mark.backends("redis", "valkey")
def test_a_server_that_goes_is_a_miss(own_server, make_config):
    set_cache(config=make_config(own_server, timeout=2))
    cache_set("k", 1)
    own_server.kill()
    all_miss()
    assert get_cache().health_check() is False
    own_server.restart()
    wait_for(lambda: cache_set("k", 2))
    assert cache_get("k") == 2


@pytest.mark.backends("memory")
def test_set_cache_by_many_threads_at_once(make_config):
    import threading

    failures = []

    def work(number):
        for _ in range(scaled(100, 10)):
            try:
                set_cache(provider="memory", ttl=number + 1)
                cache_set("k", number)
                cache_get("k")
                get_cache()
                fc.close_cache() if number == 0 else set_cache()
            except BaseException as error:
                failures.append(error)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert isinstance(cache_manager._target, (fc.Cache, cache_manager._NoCache))
