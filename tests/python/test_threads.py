# SPDX-License-Identifier: MIT
"""Any number of Python threads share one handle, and none holds the interpreter while it waits."""

import sys
import threading
import time

import pytest
from conftest import BACKEND, CLASSES, scaled, wait_for

import faciliter_lib.cache as fc


def run_threads(work, n_threads):
    failures = []

    def guarded(number):
        try:
            work(number)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=guarded, args=(n,)) for n in range(n_threads)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


def test_every_thread_gets_its_own_values(cache, installed):
    n_rounds = scaled(300, 30)

    def work(number):
        for i in range(n_rounds):
            key = f"{number}:{i % 7}"
            value = {"thread": number, "round": i, "pad": "x" * (i * 37 % 5000)}
            assert cache.set(key, value) is True
            assert cache.get(key) == value
            assert fc.cache_get(key) == value
            if i % 10 == 0:
                assert cache.get_many([key, "none"]) == {key: value}
                assert cache.set_many({key: value, key + "b": b"\xff" * i}) == 2
                assert cache.get(key + "b") == b"\xff" * i

    run_threads(work, 16)
    assert cache.stats()["errors"] == 0


@pytest.mark.backends("redis", "valkey")
@pytest.mark.parametrize(
    "verb", ["get", "set", "add", "delete", "exists", "ttl", "touch", "increment", "get_many",
             "set_many", "delete_many", "clear", "health_check", "connect"],
)
def test_the_interpreter_is_free_while_a_call_waits(own_server, make_config, verb):
    """The server hangs, so each call waits; this thread counts meanwhile, as it never could if the
    call kept the interpreter to itself."""
    arguments = {"set": ("k", 1), "add": ("k", 1), "get_many": (["k"],), "set_many": ({"k": 1},),
                 "delete_many": (["k"],), "clear": (), "health_check": (), "connect": ()}
    with CLASSES[BACKEND][0](make_config(own_server, timeout=15)) as cache:
        own_server.pause()
        began, ended = threading.Event(), threading.Event()

        def wait_in_a_call():
            began.set()
            try:
                getattr(cache, verb)(*arguments.get(verb, ("k",)))
            except fc.CacheError:
                pass
            ended.set()

        thread = threading.Thread(target=wait_in_a_call)
        thread.start()
        began.wait()
        try:
            wait_for(lambda: cache.stats()["calls_in_flight"]
                     or cache.stats()["connections_exclusive"])
            for _ in range(1000):
                assert not ended.is_set()
                time.sleep(0)
        finally:
            own_server.resume()
            thread.join()
        assert ended.is_set()


@pytest.mark.backends("memory")
def test_long_work_on_memory_leaves_the_interpreter_free(make_config):
    """A batch on the memory backend is long, so the interpreter's lock is given up there, too: nobody
    asks for it here, so another thread has a turn only when a call gives it away by itself."""
    with CLASSES[BACKEND][0](make_config(memory_bytes="1GiB")) as cache:
        values = {f"k{i}": "x" * 100 for i in range(20000)}
        n_turns, is_over = [0], threading.Event()

        def count():
            while not is_over.is_set():
                n_turns[0] += 1
                time.sleep(0)

        def has_turns_in(call):
            give_up_at = time.monotonic() + 10
            while time.monotonic() < give_up_at:
                before = n_turns[0]
                call()
                if n_turns[0] > before:
                    return True
            return False

        thread = threading.Thread(target=count)
        thread.start()
        interval = sys.getswitchinterval()
        sys.setswitchinterval(1000)
        try:
            before = n_turns[0]
            wait_for(lambda: n_turns[0] > before + 1)  # it waits with the new interval now
            before = n_turns[0]
            assert sum(len(values[key]) for key in values) == 100 * len(values)
            assert n_turns[0] == before
            assert has_turns_in(lambda: cache.set_many(values))
            assert has_turns_in(lambda: cache.get_many(values))
        finally:
            sys.setswitchinterval(interval)
            is_over.set()
            thread.join()


def test_close_with_calls_in_flight(make_config):
    for _ in range(scaled(6, 2)):
        cache = CLASSES[BACKEND][0](make_config())
        cache.connect()
        n_done = [0] * 6

        def work(number):
            try:
                while True:
                    cache.set(f"k{number}", [number] * 20)
                    assert cache.get(f"k{number}") == [number] * 20
                    n_done[number] += 1
            except fc.CacheClosedError:
                pass

        closer = threading.Thread(target=lambda: (wait_for(lambda: min(n_done) > 3), cache.close()))
        closer.start()
        run_threads(work, 6)
        closer.join()


def test_close_and_connect_while_others_call(make_config):
    cache = CLASSES[BACKEND][0](make_config())
    cache.connect()
    is_over = threading.Event()

    def work(number):
        if number == 0:
            try:
                for _ in range(scaled(60, 6)):
                    cache.close()
                    cache.connect()
            finally:
                is_over.set()
            return
        while not is_over.is_set():
            try:
                cache.set(f"k{number}", number)
                assert cache.get(f"k{number}", number) == number
                cache.get_many(["a", "b"])
                cache.stats()
            except fc.CacheClosedError:
                pass

    run_threads(work, 6)
    cache.connect()
    assert cache.health_check() is True


@pytest.mark.backends("redis", "valkey")
def test_close_ends_a_call_that_waits(own_server, make_config):
    cache = CLASSES[BACKEND][0](make_config(own_server, timeout=60))
    cache.connect()
    own_server.pause()
    caught = []

    def wait_in_a_call():
        try:
            cache.get("k")
        except fc.CacheError as error:
            caught.append(error)

    threads = [threading.Thread(target=wait_in_a_call) for _ in range(4)]
    for thread in threads:
        thread.start()
    wait_for(lambda: cache.stats()["calls_in_flight"] == 4)
    cache.close()
    for thread in threads:
        thread.join()
    assert [type(error) for error in caught] == [fc.CacheClosedError] * 4


def test_the_last_reference_may_go_while_a_call_runs(make_config):
    """A bound method keeps its cache; the name that is deleted was not the last one."""

    def work(number):
        for i in range(scaled(40, 4)):
            cache = CLASSES[BACKEND][0](make_config())
            get = cache.get
            del cache
            assert get(f"k{number}:{i}", i) == i

    run_threads(work, 4)


def test_the_dict_of_a_batch_may_change_meanwhile(cache):
    """What a batch works on is its own, whatever another thread does to the caller's dict."""
    values = {f"k{i}": i for i in range(200)}
    is_over = threading.Event()

    def work(number):
        if number == 0:
            try:
                for _ in range(scaled(100, 10)):
                    assert cache.set_many(values) >= 200
                    assert len(cache.get_many(list(values))) >= 200
            finally:
                is_over.set()
            return
        while not is_over.is_set():
            values[f"x{number}"] = number
            values.pop(f"x{number}", None)

    run_threads(work, 2)
