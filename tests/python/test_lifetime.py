# SPDX-License-Identifier: MIT
"""The end: of objects, of circles of them, and of the interpreter with calls in flight. What can
end a process is tried in one of its own."""

import gc
import os
import subprocess
import sys
import textwrap
import weakref

import pytest
from conftest import BACKEND, CLASSES

import faciliter_lib.cache as fc
from faciliter_lib.cache import _native

START = """
import faulthandler, os, sys, threading
faulthandler.enable()
sys.path.insert(0, {tests!r})
import faciliter_lib.cache as fc
config = {config!r}
cache = {kind}(fc.{config_kind}(**config))
cache.connect()
cache.set("k", dict(a=1))
fc.set_cache(cache)
"""


@pytest.fixture
def run(make_config, server):
    """Run a program that begins with an open `cache`; what it printed. It must end with 0."""

    def run(program, server=server):
        config = make_config(server)
        fields = {name: getattr(config, name) for name in ("host", "port", "prefix", "timeout")
                  if hasattr(config, name)}
        start = START.format(
            tests=os.path.dirname(__file__), config=fields, kind=f"fc.{CLASSES[BACKEND][0].__name__}",
            config_kind=CLASSES[BACKEND][1].__name__,
        )
        done = subprocess.run(
            [sys.executable, "-c", start + textwrap.dedent(program)], capture_output=True,
            text=True, timeout=120,
        )
        assert done.returncode == 0, done.stderr
        assert "Traceback" not in done.stderr and "Fatal" not in done.stderr, done.stderr
        return done.stdout

    return run


def test_the_interpreter_may_end_with_calls_in_flight(run):
    """Daemon threads are inside calls when the main thread ends, in each phase of a call."""
    out = run("""
        started = threading.Semaphore(0)
        def work(number):
            first = True
            while True:
                fc.cache_set(f"k{number}", [number] * 50)
                fc.cache_get(f"k{number}")
                cache.get_many([f"k{i}" for i in range(8)])
                if first:
                    started.release()
                    first = False
        for n in range(8):
            threading.Thread(target=work, args=(n,), daemon=True).start()
        for n in range(8):
            started.acquire()
        print("end")
    """)
    assert out == "end\n"


@pytest.mark.backends("redis", "valkey")
def test_the_interpreter_may_end_while_the_server_hangs(run, own_server):
    out = run(f"""
        import signal
        threads = [threading.Thread(target=lambda: fc.cache_get("k"), daemon=True) for _ in range(4)]
        os.kill({own_server.process.pid}, signal.SIGSTOP)
        for thread in threads:
            thread.start()
        while cache.stats()["calls_in_flight"] < 4:
            pass
        print("end")
    """, own_server)
    own_server.resume()
    assert out == "end\n"


def test_the_cache_may_be_used_while_the_interpreter_ends(run):
    out = run("""
        import atexit
        class Late:
            def __del__(self):
                cache_get("k")
        late, cache_get = Late(), fc.cache_get
        atexit.register(lambda: print(fc.cache_get("k"), fc.cache_set("k", 1)))
    """)
    assert out == "{'a': 1} True\n"


def test_close_at_exit_ends_calls_in_flight(run):
    out = run("""
        import atexit
        atexit.register(lambda: (fc.close_cache(), cache.close(), print("closed")))
        threading.Thread(target=lambda: [fc.cache_get("k") for _ in iter(int, 1)], daemon=True).start()
    """)
    assert out == "closed\n"


def test_an_object_ends_with_its_last_reference(make_config):
    cache = CLASSES[BACKEND][0](make_config())
    cache.get("k")
    gone = weakref.ref(cache)
    del cache
    assert gone() is None


def test_a_circle_is_collected(make_config):
    cache = CLASSES[BACKEND][0](make_config())
    cache.get("k")
    cache.me = [cache]
    cache.get.__self__.other = cache.get  # a bound method is part of a circle as well
    gone = weakref.ref(cache)
    del cache
    gc.collect()
    assert gone() is None


def test_the_type_is_collected_with_its_subclasses(make_config):
    class Own(CLASSES[BACKEND][0]):
        extra = 1

    cache = Own(make_config())
    cache.set("k", 1)
    assert cache.get("k") == 1 and type(cache).from_config(make_config()).extra == 1
    gone = weakref.ref(Own)
    del cache, Own
    gc.collect()
    assert gone() is None


def test_a_circle_through_what_the_object_was_given_is_collected(make_config, monkeypatch):
    from faciliter_lib.cache import _base, _codec

    circle = []
    hooks = _codec.HOOKS[:5] + (circle.append, _codec.HOOKS[6])
    monkeypatch.setattr(_base, "HOOKS", hooks)
    cache = CLASSES[BACKEND][0](make_config())
    circle.append(cache)
    gone = weakref.ref(cache)
    del cache, circle, hooks
    monkeypatch.undo()
    gc.collect()
    assert gone() is None


@pytest.mark.backends("redis", "valkey")
def test_an_object_that_ends_closes_its_connections(make_config):
    def descriptors():
        return len(os.listdir("/proc/self/fd"))

    gc.collect()
    before = descriptors()
    for _ in range(20):
        cache = CLASSES[BACKEND][0](make_config())
        cache.get("k")
    del cache
    assert descriptors() == before
    cache = CLASSES[BACKEND][0](make_config())
    for _ in range(20):
        with cache:
            cache.get("k")
    assert descriptors() == before


@pytest.mark.backends("memory")
def test_an_object_that_was_not_initialised_says_so():
    raw = _native.Cache()
    for attempt in (lambda: raw.get("k"), lambda: raw.set("k", 1), lambda: raw.get_many(["k"]),
                    lambda: raw.touch("k", 1), raw.clear, raw.stats, raw._health, raw._connect):
        with pytest.raises(RuntimeError, match="not initialised"):
            attempt()
    assert raw._is_open is False and raw._is_reached is False
    raw._close()
    raw._close()
    for arguments in ((), (1, 2), ((), True, ()), ([], True, (1,) * 7), ((1,), True, (1,) * 7),
                      (((b"a", "b"),), True, (1,) * 7)):
        with pytest.raises((TypeError, RuntimeError)):
            raw._open(*arguments)


@pytest.mark.backends("memory")
def test_a_cache_that_failed_to_open_can_be_opened_later(make_config):
    config = make_config(ttl=0)
    cache = CLASSES[BACKEND][0].__new__(CLASSES[BACKEND][0])
    with pytest.raises(fc.CacheConfigError):
        cache.__init__(config)
    with pytest.raises(fc.CacheClosedError):
        cache.get("k")
    config.ttl = 5
    cache.connect()
    cache.set("k", 1)
    assert cache.ttl("k") <= 5


@pytest.mark.backends("memory")
def test_a_hook_that_fails_leaves_the_answer(make_config, monkeypatch):
    """Whatever json does, an exception of it is the caller's and nothing else is."""
    from faciliter_lib.cache import _base, _codec

    def broken(*arguments):
        raise KeyboardInterrupt("in the middle")

    hooks = list(_codec.HOOKS)
    hooks[0], hooks[2] = broken, broken
    monkeypatch.setattr(_base, "HOOKS", tuple(hooks))
    cache = CLASSES[BACKEND][0](make_config())
    with pytest.raises(KeyboardInterrupt):
        cache.set("k", 1)
    cache.increment("n")
    with pytest.raises(KeyboardInterrupt):
        cache.get("n")
    with pytest.raises(KeyboardInterrupt):
        cache.get_many(["n"])
    with pytest.raises(KeyboardInterrupt):
        cache.set_many({"k": 1})
    assert cache.exists("k") is False


@pytest.mark.backends("memory")
@pytest.mark.parametrize("answer", [None, 5, (1,), (1, 2, 3), (1, "x"), [1, 2]])
def test_a_scanner_that_answers_nonsense_is_asked_no_more(make_config, monkeypatch, answer):
    from faciliter_lib.cache import _base, _codec

    hooks = list(_codec.HOOKS)
    hooks[2] = lambda text, start: answer
    monkeypatch.setattr(_base, "HOOKS", tuple(hooks))
    cache = CLASSES[BACKEND][0](make_config())
    cache.set("k", {"a": 1})
    if answer == (1, "x"):
        with pytest.raises(TypeError):
            cache.get("k")
    else:
        assert cache.get("k") == {"a": 1}
