# SPDX-License-Identifier: MIT
"""What the Python tests share. CTest runs each file in a process of its own, once for each backend
that FAC_PY_BACKEND names: memory, redis or valkey."""

import itertools
import os
import random
import sys
import time

import pytest

from servers import RefusingPort, Server

for name in list(os.environ):
    if name.startswith(("REDIS_", "VALKEY_", "CACHE_")):
        del os.environ[name]  # no setting of the person who runs this may decide a test

import faciliter_lib.cache as fc  # noqa: E402

BACKEND = os.environ.get("FAC_PY_BACKEND", "memory")
SCALE = int(os.environ.get("FAC_TEST_SCALE", "100"))
SEED = int(os.environ.get("FAC_TEST_SEED", "0"), 0) or random.SystemRandom().randrange(1, 2**32)

CLASSES = {
    "memory": (fc.MemoryCache, fc.MemoryConfig),
    "redis": (fc.RedisCache, fc.RedisConfig),
    "valkey": (fc.ValkeyCache, fc.ValkeyConfig),
}

_numbers = itertools.count()


def pytest_report_header():
    return f"backend {BACKEND}, FAC_TEST_SEED={SEED}, FAC_TEST_SCALE={SCALE}"


def pytest_configure(config):
    config.addinivalue_line("markers", "backends(*names): the backends that this test is for")
    config.addinivalue_line("markers", "counted_references: needs python3-dbg")


def pytest_collection_modifyitems(config, items):
    """A test for other backends is left out, not skipped: CTest runs it where it belongs."""
    chosen, others = [], []
    for item in items:
        marker = item.get_closest_marker("backends")
        fits = marker is None or BACKEND in marker.args
        if item.get_closest_marker("counted_references"):
            fits = fits and hasattr(sys, "gettotalrefcount")
        (chosen if fits else others).append(item)
    config.hook.pytest_deselected(items=others)
    items[:] = chosen


def scaled(count, least=1):
    return max(least, count * SCALE // 100)


def wait_for(what, within_s=30.0):
    """Until it is true. A condition, never a time, decides; the pause only saves the processor."""
    end = time.monotonic() + within_s
    while not what():
        assert time.monotonic() < end, "it did not come true"
        time.sleep(0.005)


@pytest.fixture
def rng():
    """Random numbers that FAC_TEST_SEED brings back."""
    return random.Random(SEED)


@pytest.fixture(scope="session")
def shared_server():
    if BACKEND == "memory":
        yield None
        return
    server = Server(BACKEND)
    yield server
    server.stop()


@pytest.fixture
def server(shared_server):
    """The server that all tests of the file share; None for memory."""
    return shared_server


@pytest.fixture
def own_server():
    """A server that the test may stop."""
    server = Server(BACKEND)
    yield server
    server.stop()


@pytest.fixture
def refusing_port():
    port = RefusingPort()
    yield port.port
    port.close()


@pytest.fixture
def make_config(shared_server):
    """A configuration under a prefix of the test's own; keywords change it."""
    prefix = f"t{next(_numbers)}:"

    def make(server=None, **fields):
        server = server or shared_server
        fields.setdefault("prefix", prefix)
        if server is not None:
            fields.setdefault("host", "127.0.0.1")
            fields.setdefault("port", server.port)
            # Twenty seconds: a slow machine is no failure.
            fields.setdefault("timeout", 20)
        return CLASSES[BACKEND][1](**fields)

    return make


@pytest.fixture
def cache(make_config):
    """An open cache on the backend."""
    with CLASSES[BACKEND][0](make_config()) as cache:
        yield cache


@pytest.fixture
def raw(server, cache):
    """What the server has under a key of `cache`; for servers only."""
    return lambda key: server.ask("GET", cache.config.prefix.encode() + key.encode())


@pytest.fixture
def installed(cache):
    """`cache` as the process-wide one."""
    assert fc.set_cache(cache) is True
    return cache


@pytest.fixture(autouse=True)
def clean():
    """Nothing of one test is there in the next."""
    before = dict(os.environ)
    yield
    fc.close_cache()
    for name in set(os.environ) - set(before):
        del os.environ[name]
    os.environ.update(before)
