# SPDX-License-Identifier: MIT
"""What each failure of a server is in Python, and that every call ends in time."""

import time

import pytest
from conftest import BACKEND, CLASSES, wait_for
from servers import Server

import faciliter_lib.cache as fc


def opened(config):
    return CLASSES[BACKEND][0](config)


def test_connect_raises_without_a_server(refusing_port, make_config):
    cache = opened(make_config(port=refusing_port))
    with pytest.raises(fc.CacheUnavailableError) as caught:
        cache.connect()
    assert caught.value.status == "FAC_E_UNAVAILABLE"
    assert caught.value.os_errno != 0
    assert str(refusing_port) in str(caught.value)
    with pytest.raises(fc.CacheError):
        with cache:
            pass
    assert cache.health_check() is False
    assert cache.health()["is_healthy"] is False and cache.health()["error"]
    with pytest.raises(fc.CacheUnavailableError):
        cache.get("k")


def test_first_use_connects(make_config):
    cache = opened(make_config())
    assert cache.stats()["connects"] == 0
    cache.set("k", 1)
    assert cache.stats()["connects"] == 1
    cache.close()


def test_a_server_that_hangs_is_a_timeout(own_server, make_config):
    with opened(make_config(own_server, timeout=4)) as cache:
        cache.set("k", 1)
        own_server.pause()
        start = time.monotonic()
        with pytest.raises(fc.CacheTimeoutError) as caught:
            cache.set("k", 2)
        # Never before its time; how long after is the machine's affair, but far from for ever.
        assert 3.9 < time.monotonic() - start < 30
        assert isinstance(caught.value, (TimeoutError, fc.CacheUnavailableError))
        assert caught.value.maybe_applied is True
        own_server.resume()
        wait_for(lambda: cache.health_check())
        assert cache.get("k") in (1, 2)


def test_a_lost_connection_is_made_again(own_server, make_config):
    with opened(make_config(own_server)) as cache:
        cache.set("k", 1)
        own_server.ask("CLIENT", "KILL", "TYPE", "normal")
        cache.set("k", 2)
        assert cache.get("k") == 2
        assert cache.stats()["errors"] == 0


def test_a_wrong_password_is_an_auth_error(make_config, caplog):
    server = Server(BACKEND, "--requirepass", "right")
    try:
        wrong = make_config(server, password="s3cret")
        for attempt in (opened(wrong).connect, lambda: opened(make_config(server)).get("k")):
            with pytest.raises(fc.CacheAuthError) as caught:
                attempt()
            assert "s3cret" not in str(caught.value)
        assert fc.set_cache(config=wrong) is False
        assert "s3cret" not in caplog.text
        assert fc.set_cache(config=make_config(server, password="right")) is True
    finally:
        server.stop()


def test_a_database_that_is_not_there_is_a_config_error(make_config):
    config = make_config(db=999)
    with pytest.raises(fc.CacheConfigError):
        opened(config).connect()
    with pytest.raises(fc.CacheConfigError):
        fc.set_cache(config=config)
    assert fc.get_cache() is None


def test_databases_and_prefixes_are_apart(server, make_config):
    with opened(make_config(db=1, prefix="p:")) as one, opened(make_config(db=2, prefix="p:")) as two:
        one.set("k", 1)
        two.set("k", 2)
        assert (one.get("k"), two.get("k")) == (1, 2)
        one.clear()
        assert (one.get("k"), two.get("k")) == (None, 2)


def test_another_type_is_a_server_error(cache, server):
    server.ask("LPUSH", cache.config.prefix + "list", "x")
    with pytest.raises(fc.CacheServerError) as caught:
        cache.get("list")
    assert caught.value.server_code == "WRONGTYPE"
    cache.set("k", 1)
    with pytest.raises(fc.CacheServerError) as caught:
        cache.get_many(["k", "list", "no"])
    assert caught.value.partial == {"k": 1}
    fc.set_cache(cache)
    assert fc.cache_get_many(["k", "list", "no"]) == {"k": 1}


def test_of_two_failures_one_is_told_whole(cache, server):
    server.ask("LPUSH", cache.config.prefix + "list", "x")
    with pytest.raises(fc.CacheInvalidError, match="key") as caught:
        cache.get_many(["list", ""])
    assert (caught.value.status, caught.value.server_code) == ("FAC_E_INVALID", "")


def test_over_a_unix_socket_and_by_url(server, make_config):
    for fields in ({"unix_socket": server.socket}, {"url": f"unix://{server.socket}"},
                   {"url": f"{BACKEND}://127.0.0.1:{server.port}/3"}):
        config = CLASSES[BACKEND][1](prefix="u:", timeout=20, **fields)
        with opened(config) as cache:
            cache.set("k", fields)
            assert cache.get("k") == fields
            cache.clear()


def test_a_name_is_looked_up(server, make_config):
    with opened(make_config(host="localhost")) as cache:
        assert cache.health_check() is True


def test_clear_goes_on_beyond_one_deadline(server, make_config):
    """One call's time is not enough for so many keys; clear() ends all the same, and counts."""
    n = 20000
    with opened(make_config()) as cache:
        for start in range(0, n, 5000):
            cache.set_many({f"k{i}": i for i in range(start, start + 5000)})
        hasty = opened(make_config(timeout=0.02, prefix=cache.config.prefix))
        n_removed = 0
        while True:
            try:
                n_removed += hasty.clear()
                break
            except fc.CacheUnavailableError:
                pass  # not one step got done in its time, on a machine that is busy
        assert n_removed <= n
        assert cache.get_many([f"k{i}" for i in range(n)]) == {}
