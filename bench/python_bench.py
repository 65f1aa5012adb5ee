#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The Python package against redis-py, side by side: the group `python` of `./dev bench`.

Both do one job in the plain way: a small dict as JSON under cache:user:NUMBER. Theirs is
redis.Redis with json.loads(get(key)) and setex(key, 300, json.dumps(value)), and a pipeline without
a transaction for many keys; ours is the facade. Slices of the two alternate, in both orders; each
pair gives a ratio, a cell's figure is the median of them, with the middle half beside it. A missed
bar is measured again with three times the pairs, and both are printed. Every value is compared.

usage: python_bench.py [--quick] [--only NAME] [--out FOLDER]      (PYTHONPATH: the package)
"""

import argparse
import json
import os
import platform
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time

import redis
import redis.connection

import faciliter_lib.cache as fc
from faciliter_lib.cache import _codec

VALUE = {"id": 123, "name": "Alice", "roles": ["admin", "editor"], "active": True}
N_KEYS = 1000
KEYS = [f"user:{i:06d}" for i in range(N_KEYS)]
BATCH = KEYS[:100]


class Server:
    """A private server on a free port of 127.0.0.1, ended with the run."""

    def __init__(self, program):
        self.folder = tempfile.mkdtemp(prefix="faciliter-bench-")
        for port in range(12000 + os.getpid() % 10000, 32000, 997):
            self.process = subprocess.Popen(
                [program, "--port", str(port), "--bind", "127.0.0.1", "--dir", self.folder,
                 "--save", "", "--appendonly", "no"], stdout=subprocess.PIPE, text=True,
            )
            if any("eady to accept" in line for line in self.process.stdout):
                self.port = port
                return
        raise SystemExit(f"{program} would not start")

    def stop(self):
        self.process.terminate()
        self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


def check(value, want):
    if value != want:
        raise SystemExit(f"a wrong value: {value!r} is not {want!r}")


# --- the work: functions of a step's number -------------------------------------------------------


def ours_get(i):
    check(fc.cache_get(KEYS[i % N_KEYS]), VALUE)


def ours_set(i):
    check(fc.cache_set(KEYS[i % N_KEYS], VALUE, ttl=300), True)


def ours_many(i):
    check(len(fc.cache_get_many(BATCH)), len(BATCH))


class Theirs:
    def __init__(self, port, parser=None):
        options = {} if parser is None else {"parser_class": parser}
        pool = redis.ConnectionPool(host="127.0.0.1", port=port, **options)
        self.client = redis.Redis(connection_pool=pool)

    def get(self, i):
        stored = self.client.get("cache:" + KEYS[i % N_KEYS])
        check(None if stored is None else json.loads(stored), VALUE)

    def set(self, i):
        check(self.client.setex("cache:" + KEYS[i % N_KEYS], 300, json.dumps(VALUE)), True)

    def many(self, i):
        pipeline = self.client.pipeline(transaction=False)
        for key in BATCH:
            pipeline.get("cache:" + key)
        stored = pipeline.execute()
        check(len({k: json.loads(s) for k, s in zip(BATCH, stored) if s is not None}), len(BATCH))


def bare_socket(port):
    """The least that a GET can take in Python: two system calls, and nothing is looked at."""
    peer = socket.create_connection(("127.0.0.1", port))
    peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    key = ("cache:" + KEYS[0]).encode()
    frame = b"*2\r\n$3\r\nGET\r\n$%d\r\n%s\r\n" % (len(key), key)

    def get(i):
        peer.send(frame)
        peer.recv(4096)

    return get


# --- measuring ------------------------------------------------------------------------------------


def rate_of_one(step, seconds):
    """Steps a second, on this thread; the clock is asked after every 20."""
    n, start = 0, time.perf_counter()
    while True:
        for _ in range(20):
            step(n)
            n += 1
        elapsed = time.perf_counter() - start
        if elapsed >= seconds:
            return n / elapsed


class Crowd:
    """Threads that go on calling `step`; counted from outside, while all of them run."""

    def __init__(self, step, n_threads):
        self.counts = [0] * n_threads
        self.go, self.is_over, self.failures = threading.Event(), False, []
        self.step = step
        self.threads = [threading.Thread(target=self.work, args=(n,)) for n in range(n_threads)]
        for thread in self.threads:
            thread.start()

    def work(self, number):
        try:
            self.go.wait()
            n = number * 100
            while not self.is_over:
                self.step(n)
                n += 1
                self.counts[number] += 1
        except BaseException as error:
            self.failures.append(error)

    def rate(self, seconds):
        self.go.set()
        time.sleep(seconds / 5)
        before, start = sum(self.counts), time.perf_counter()
        time.sleep(seconds)
        n, elapsed = sum(self.counts) - before, time.perf_counter() - start
        self.is_over = True
        for thread in self.threads:
            thread.join()
        if self.failures:
            raise SystemExit(f"a call failed: {self.failures[0]!r}")
        return n / elapsed


def rate(step, n_threads, seconds):
    return rate_of_one(step, seconds) if n_threads == 1 else Crowd(step, n_threads).rate(seconds)


def pairs(ours, theirs, n_threads, n_pairs, seconds):
    """Alternating slices: their rates, and the ratio of each pair."""
    a, b = [], []
    for i in range(n_pairs):
        for side in ("ab", "ba")[i % 2]:
            (a if side == "a" else b).append(rate(ours if side == "a" else theirs, n_threads, seconds))
    return a, b, sorted(x / y for x, y in zip(a, b))


def cpu_us(step):
    """Processor time of this process for one step, in microseconds: steadier than a rate."""
    n, start = 2000, time.process_time()
    for i in range(n):
        step(i)
    return (time.process_time() - start) * 1e6 / n


class Report:
    def __init__(self, quick, only):
        self.quick, self.only, self.rows = quick, only, []
        print(f"{'cell':<16} {'where':<8} {'threads':>7} {'ours/s':>9} {'theirs/s':>9} "
              f"{'ratio':>6}  {'middle half':<12} {'bar':>5}  verdict")

    def row(self, cell, where, n_threads, ours, theirs, ratio, middle, bar, verdict):
        self.rows.append((cell, where, n_threads, ours, theirs, ratio, *middle, bar or "", verdict))
        theirs = f"{theirs:>9.0f}" if theirs else f"{'':>9}"
        ratio = f"{ratio:>6.2f}" if ratio else f"{'':>6}"
        low, high = middle
        spread = f"{low:.2f}-{high:.2f}" if high else ""
        print(f"{cell:<16} {where:<8} {n_threads:>7} {ours:>9.0f} {theirs} {ratio}  {spread:<12} "
              f"{bar or '':>5}  {verdict}", flush=True)

    def compare(self, cell, where, n_threads, ours, theirs, bar=None, seconds=0.25):
        if self.only and self.only not in f"{cell} {n_threads} {where}":
            return
        n_pairs, seconds = (3, 0.05) if self.quick else (9, seconds)
        for attempt in (1, 3):
            a, b, ratios = pairs(ours, theirs, n_threads, n_pairs * attempt, seconds)
            ratio, quarter = statistics.median(ratios), len(ratios) // 4
            is_good = bar is None or ratio >= bar
            verdict = "" if bar is None else "ok" if is_good else "again" if attempt == 1 else "MISS"
            self.row(cell, where, n_threads, statistics.median(a), statistics.median(b), ratio,
                     (ratios[quarter], ratios[-1 - quarter]), bar, verdict)
            if is_good:
                return

    def alone(self, cell, where, step, least):
        if self.only and self.only not in f"{cell} 1 {where}":
            return
        rates = sorted(rate_of_one(step, 0.05 if self.quick else 0.5) for _ in range(5))
        rate_s = statistics.median(rates)
        self.row(cell, where, 1, rate_s, None, None, (0, 0), least,
                 "" if least is None else "ok" if rate_s >= least else "MISS")


def measure_server(report, name, program, note_cpu):
    server = Server(program)
    try:
        theirs = Theirs(server.port)
        config = {"redis": fc.RedisConfig, "valkey": fc.ValkeyConfig}[name]
        fc.set_cache(config=config(host="127.0.0.1", port=server.port))
        for i in range(N_KEYS):
            ours_set(i)
            theirs.get(i)  # each reads what the other has written
        report.compare("a/a", name, 1, theirs.get, theirs.get)
        report.compare("get", name, 1, ours_get, theirs.get, 1.5)
        report.compare("set", name, 1, ours_set, theirs.set, 1.5)
        report.compare("get bare socket", name, 1, bare_socket(server.port), theirs.get)
        report.compare("get", name, 16, ours_get, theirs.get, 3)
        report.compare("set", name, 16, ours_set, theirs.set, 3)
        report.compare("get_many 100", name, 1, ours_many, theirs.many, 2)
        report.compare("get_many 100", name, 16, ours_many, theirs.many)
        parser = getattr(redis.connection, "HiredisParser", None)
        if parser is not None and redis.connection.HIREDIS_AVAILABLE:
            fast = Theirs(server.port, parser)
            report.compare("get hiredis", name, 1, ours_get, fast.get)
            report.compare("get hiredis", name, 16, ours_get, fast.get)
            report.compare("many hiredis", name, 1, ours_many, fast.many)
        if not report.only:
            note_cpu.append(f"cpu us a step, {name}: get {cpu_us(ours_get):.1f} against "
                            f"{cpu_us(theirs.get):.1f}, set {cpu_us(ours_set):.1f} against "
                            f"{cpu_us(theirs.set):.1f}, get_many {cpu_us(ours_many):.0f} against "
                            f"{cpu_us(theirs.many):.0f}")
    finally:
        fc.close_cache()
        server.stop()


def measure_memory(report):
    fc.set_cache(provider="memory", config=fc.MemoryConfig())
    for i in range(N_KEYS):
        ours_set(i)
    report.alone("memory get", "memory", lambda i: fc.cache_get("user:000123"), 500000)
    report.alone("memory set", "memory", ours_set, None)
    report.alone("memory many", "memory", ours_many, None)
    report.alone("memory exists", "memory", lambda i: fc.cache_exists("user:000123"), None)
    fc.close_cache()
    # Where the time goes: the package calls the two below, made once; the json module, these.
    encode, scan, text = _codec.HOOKS[0], _codec.HOOKS[2], json.dumps(VALUE)
    report.alone("json encoder", "", lambda i: encode(VALUE, 0), None)
    report.alone("json.dumps", "", lambda i: json.dumps(VALUE), None)
    report.alone("json scanner", "", lambda i: scan(text, 0), None)
    report.alone("json.loads", "", lambda i: json.loads(text), None)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--only", default="")
    parser.add_argument("--out", default="")
    arguments = parser.parse_args()
    for name in list(os.environ):
        if name.startswith(("REDIS_", "VALKEY_", "CACHE_")):
            del os.environ[name]
    # Python's own parser, as the package is without a further one.
    redis.connection.DefaultParser = redis.connection.PythonParser
    print(f"CPython {platform.python_version()}, redis-py {redis.__version__} with its own parser, "
          f"libfaciliter {fc.cache_manager._native.version}, {os.cpu_count()} processors, "
          f"load {os.getloadavg()[0]:.1f} before")
    report, note_cpu = Report(arguments.quick, arguments.only), []
    for name in ("redis", "valkey"):
        program = shutil.which(f"{name}-server")
        if program is None:
            print(f"{name}: not installed, not measured")
            continue
        measure_server(report, name, program, note_cpu)
    measure_memory(report)
    for line in note_cpu:
        print(line)
    print(f"load {os.getloadavg()[0]:.1f} after")
    if arguments.out:
        with open(os.path.join(arguments.out, "python.tsv"), "w", encoding="utf-8") as table:
            print("cell", "where", "threads", "ours", "theirs", "ratio", "low", "high", "bar",
                  "verdict", sep="\t", file=table)
            for row in report.rows:
                print(*row, sep="\t", file=table)
    return 0


if __name__ == "__main__":
    sys.exit(main())
