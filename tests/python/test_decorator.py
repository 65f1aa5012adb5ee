# SPDX-License-Identifier: MIT
"""@cached: when it calls, under which key, and what it refuses."""

import pytest

import faciliter_lib.cache as fc
from faciliter_lib.cache import cached


def counting(**arguments):
    calls = []

    @cached(**arguments)
    def work(a, b=2, *rest, flag=False):
        """Says what it does."""
        calls.append((a, b, rest, flag))
        return {"a": a, "b": b}

    return work, calls


def test_it_is_called_once(installed):
    work, calls = counting()
    assert work(1) == work(1, 2) == work(a=1, b=2) == {"a": 1, "b": 2}
    assert len(calls) == 1
    assert work(1, 3) == {"a": 1, "b": 3}
    assert work("1") == {"a": "1", "b": 2}
    work(1, 2, 3)
    work(1, flag=True)
    assert len(calls) == 5
    assert work.__doc__ == "Says what it does." and work.__name__ == "work"


def test_none_is_a_value(installed):
    calls = []

    @cached
    def nothing():
        calls.append(1)

    assert nothing() is None and nothing() is None
    assert len(calls) == 1


def test_keys(installed):
    work, _calls = counting()
    module = "test_decorator.counting.<locals>.work"
    assert work.cache_key(1) == module + ':{"a": 1, "b": 2, "flag": false, "rest": []}'
    for key, want in (("u:{a}", "u:7"), ("u:{0}:{b}", "u:7:2"), ("u:{a[x]}", None),
                      (lambda a, *rest, **more: f"own:{a}", "own:7")):
        work, calls = counting(key=key, ttl=50)
        argument = {"x": 7} if want is None else 7
        assert work.cache_key(argument) == (want or "u:7")
        work(argument)
        assert fc.cache_exists(want or "u:7") is True
        assert 1 < installed.ttl(want or "u:7") <= 50
        assert work.cache_delete(argument) is True
        assert work.cache_delete(argument) is False
        work(argument)
        assert len(calls) == 2
        work.cache_delete(argument)


def test_ttl(installed):
    work, _calls = counting(ttl=None)
    work(1)
    assert installed.ttl(work.cache_key(1)) == float("inf")
    work, _calls = counting()
    work(5)
    assert 60 < installed.ttl(work.cache_key(5)) <= 3600


def test_without_a_cache_it_is_called():
    work, calls = counting()
    assert work(1) == work(1) == {"a": 1, "b": 2}
    assert len(calls) == 2


def test_an_exception_is_not_kept(installed):
    calls = []

    @cached(key="bad")
    def bad():
        calls.append(1)
        raise KeyError("x")

    for _ in range(2):
        with pytest.raises(KeyError):
            bad()
    assert len(calls) == 2 and fc.cache_exists("bad") is False


def test_methods(installed):
    class User:
        def __init__(self, number):
            self.number = number

        @cached(key=lambda self, what: f"user:{self.number}:{what}")
        def load(self, what):
            return [self.number, what]

        @cached
        def no_key(self):
            return 1

    assert User(1).load("a") == [1, "a"] and User(2).load("a") == [2, "a"]
    with pytest.raises(TypeError, match="key="):
        User(1).no_key()


def test_what_it_refuses(installed):
    with pytest.raises(TypeError, match="async"):

        @cached
        async def later():
            return 1

    with pytest.raises(TypeError, match="yield"):

        @cached(ttl=1)
        def several():
            yield 1

    work, _calls = counting()
    with pytest.raises(TypeError):
        work()
    with pytest.raises(TypeError, match="key="):
        work(object())

    @cached(key="k")
    def unfit():
        return object()

    with pytest.raises(TypeError, match="object"):
        unfit()
