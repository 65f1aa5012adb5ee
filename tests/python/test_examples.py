# SPDX-License-Identifier: MIT
"""The examples and the programs of the guide run, as a reader would run them."""

import os
import pathlib
import re
import subprocess
import sys

import pytest
from conftest import BACKEND

ROOT = pathlib.Path(__file__).resolve().parents[2]

# What each must print, in part; {} is where the backend differs.
EXAMPLES = {
    "example_quick_start.py": ["{'name': 'Alice', 'roles': ['admin']}", "b'\\x89PNG\\r\\n'",
                               "True True None"],
    "example_batches.py": ["True", "to be loaded: ['user:1000']", "1 removed", "99 cleared"],
    "example_counters.py": ["[True, True, True, True, True, False, False]", "now: True",
                            "counted: True"],
    "example_decorator.py": ["loaded 1 times, under profile:7", "loaded 2 times"],
    "example_errors.py": ["False False not cached", "CacheUnavailableError, FAC_E_UNAVAILABLE",
                          "may have been applied: False", "CacheConfigError: True"],
    "example_workers.py": ["workers ended with [0, 0, 0]"],
    "example_cache_pooling_health_check.py": ["Cache server is healthy", "800 rounds of 8 threads",
                                              "800 hits, 0 misses, 0 errors", "of at most 4"],
}


@pytest.fixture
def environment(server):
    environment = dict(os.environ, CACHE_BACKEND=BACKEND, CACHE_PREFIX="example:")
    if server is not None:
        family = BACKEND.upper()
        environment.update({f"{family}_HOST": "127.0.0.1", f"{family}_PORT": str(server.port),
                            f"{family}_PREFIX": "example:"})
        # The pooling example is RedisCache's, and either server is one to it.
        environment.update(REDIS_HOST="127.0.0.1", REDIS_PORT=str(server.port))
    return environment


def run(path, environment):
    return subprocess.run([sys.executable, str(path)], env=environment, capture_output=True,
                          text=True, timeout=120)


def test_all_are_named():
    found = {path.name for path in (ROOT / "examples").glob("*.py")}
    assert found == set(EXAMPLES)


@pytest.mark.parametrize("name", EXAMPLES)
def test_example(name, environment):
    if name == "example_cache_pooling_health_check.py" and BACKEND == "memory":
        environment.update(REDIS_HOST="127.0.0.1", REDIS_PORT="1", REDIS_TIMEOUT="1")
        done = run(ROOT / "examples" / name, environment)
        assert done.returncode == 1 and "CacheUnavailableError" in done.stderr
        return
    done = run(ROOT / "examples" / name, environment)
    assert done.returncode == 0, done.stderr
    for words in EXAMPLES[name]:
        assert words in done.stdout
    assert "Traceback" not in done.stderr
    if name == "example_workers.py":
        assert ("not here" if BACKEND == "memory" else "hello from worker 2") in done.stdout
    if name == "example_errors.py":
        assert done.stderr.count("WARNING faciliter_lib.cache") == 1


@pytest.mark.parametrize("page", ["README.md", "docs/guide/python.md"])
def test_programs_of_a_page(page, environment, tmp_path):
    """Each block of a page is a program of its own, which ends with 0."""
    blocks = re.findall(r"^```python\n(.*?)^```$", (ROOT / page).read_text(), re.M | re.S)
    assert blocks, f"{page} has no program"
    for number, block in enumerate(blocks):
        path = tmp_path / f"block{number}.py"
        path.write_text(block)
        done = run(path, environment)
        assert done.returncode == 0, f"{page}, block {number + 1}: {done.stderr}\n{block}"
