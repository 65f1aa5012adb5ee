# SPDX-License-Identifier: MIT
"""fork(): a child goes on with what its parent had, and neither disturbs the other."""

import multiprocessing
import os
import signal
import socket
import sys
import threading
import traceback

import pytest
from conftest import BACKEND, CLASSES, scaled, wait_for

import faciliter_lib.cache as fc


def in_child(work):
    """Run `work` in a child of fork(), with os._exit() as the end. Its pid."""
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid != 0:
        return pid
    code = 1
    signal.alarm(40)  # a child that waits for a lock that nobody has would wait for ever
    try:
        work()
        code = 0
    except BaseException:
        traceback.print_exc()
        sys.stderr.flush()
    finally:
        os._exit(code)


def assert_good_end(pid):
    _pid, status = os.waitpid(pid, 0)
    assert os.WIFEXITED(status) and os.WEXITSTATUS(status) == 0, f"the child ended with {status}"


def test_a_child_goes_on(installed, cache):
    cache.set("k", {"from": "parent"})

    def child():
        # Memory is a copy; a server is the same one.
        assert cache.get("k") == {"from": "parent"}
        for i in range(50):
            assert fc.cache_set(f"child{i}", i) is True
            assert fc.cache_get(f"child{i}") == i
        assert fc.get_cache() is cache and cache.health_check() is True

    assert_good_end(in_child(child))
    assert cache.get("child7") == (None if BACKEND == "memory" else 7)
    assert cache.get("k") == {"from": "parent"}


@pytest.mark.backends("redis", "valkey")
def test_a_child_has_connections_of_its_own(installed, cache, server):
    cache.set("k", 1)

    def children():
        return {line.split(b" ")[0] for line in server.ask("CLIENT", "LIST").splitlines()}

    before = children()

    def child():
        cache.get("k")
        assert len(children() - before) >= 2  # its own, and the one that asks

    assert_good_end(in_child(child))
    assert cache.get("k") == 1
    assert cache.stats()["disconnects"] == 0


def test_forks_while_threads_are_in_calls(cache, installed):
    is_over = threading.Event()
    failures = []

    def work(number):
        try:
            while not is_over.is_set():
                cache.set(f"k{number}", number)
                assert cache.get(f"k{number}") == number
                fc.set_cache()
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()

    def child():
        for i in range(20):
            assert fc.cache_set(f"c{i}", i) is True
            assert fc.cache_get(f"c{i}") == i
        assert fc.set_cache() is True

    try:
        for _ in range(scaled(20, 3)):
            assert_good_end(in_child(child))
    finally:
        is_over.set()
        for thread in threads:
            thread.join()
    assert failures == []


def pool_work(number):
    assert fc.cache_set(f"pool{number}", [number]) is True
    return fc.cache_get(f"pool{number}")


def open_in_worker(config):
    assert fc.set_cache(config=config) is True


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_multiprocessing(make_config, method):
    config = make_config()
    assert fc.set_cache(config=config) is True
    context = multiprocessing.get_context(method)
    # A child of fork has the parent's cache; the others are told the configuration.
    initializer = {"fork": (None, ())}.get(method, (open_in_worker, (config,)))
    with context.Pool(2, *initializer) as pool:
        assert pool.map(pool_work, range(40)) == [[i] for i in range(40)]
        pool.close()
        pool.join()
    assert fc.cache_get("pool7") == (None if BACKEND == "memory" else [7])


# --- the pre-fork model, as gunicorn has it -------------------------------------------------------


def serve(listener):
    """A worker: takes connections of the socket that the master opened, until one says stop."""
    while True:
        peer, _address = listener.accept()
        with peer, peer.makefile("rwb") as stream:
            verb, key, value = stream.readline().decode().rstrip("\n").split(" ")
            if verb == "stop":
                return
            if verb == "set":
                answer = fc.cache_set(key, {"value": value, "by": os.getpid()})
            else:
                answer = fc.cache_get(key, "none")
            stream.write(f"{os.getpid()} {answer!r}\n".encode())


def request(address, *words):
    with socket.create_connection(address, timeout=60) as peer, peer.makefile("rwb") as stream:
        stream.write((" ".join(words) + "\n").encode())
        stream.flush()
        return stream.readline().decode().rstrip("\n").partition(" ")


def test_workers_of_a_master_that_has_set_the_cache(make_config):
    """The master preloads the application, set_cache() included, listens and forks; workers come
    and go, one is killed in the middle; the master and each worker work on."""
    assert fc.set_cache(config=make_config()) is True
    assert fc.cache_set("preloaded", "by the master") is True
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = listener.getsockname()
        workers = [in_child(lambda: serve(listener)) for _ in range(3)]
        seen = set()
        for i in range(scaled(150, 30)):
            pid, _, answer = request(address, "set", f"k{i}", f"v{i}")
            assert answer == "True"
            seen.add(int(pid))
            pid, _, answer = request(address, "get", "preloaded", "-")
            assert answer == "'by the master'"
            if BACKEND != "memory":
                # Whichever worker is asked, it sees what another one has stored.
                pid, _, answer = request(address, "get", f"k{i}", "-")
                assert f"'value': 'v{i}'" in answer
        assert seen <= set(workers)
        os.kill(workers[0], signal.SIGKILL)
        os.waitpid(workers[0], 0)
        workers[0] = in_child(lambda: serve(listener))
        _pid, _, answer = request(address, "get", "preloaded", "-")
        assert answer == "'by the master'"
        assert fc.cache_get("preloaded") == "by the master"
        for _ in workers:
            request(address, "stop", "-", "-")
        for pid in workers:
            assert_good_end(pid)


@pytest.mark.backends("redis", "valkey")
def test_a_child_of_a_master_without_a_server_heals_alone(own_server, make_config):
    config = make_config(own_server)
    own_server.kill()
    assert fc.set_cache(config=config) is False
    reader, writer = os.pipe()

    def child():
        assert fc.cache_get("k", 5) == 5
        os.read(reader, 1)  # the server is there
        wait_for(lambda: fc.cache_set("k", 1))
        assert isinstance(fc.get_cache(), CLASSES[BACKEND][0])

    pid = in_child(child)
    own_server.restart()
    os.write(writer, b"x")
    assert_good_end(pid)
    wait_for(lambda: fc.cache_get("k") == 1)
