# SPDX-License-Identifier: MIT
"""Values: what goes in comes out, as JSON or as bytes, and what is stored is what anybody reads."""

import json
import math
import pickle
import sys

import pytest
from conftest import scaled

import faciliter_lib.cache as fc

TABLE = [
    None, True, False, 0, -1, 2**31, 2**63, -(2**63), 10**400, 0.0, 1.5, -2.5e-300, 1e308, "", "x",
    "\u00e9\u4e2d\U0001f600", "a\0b\r\n\t\"\\/", "\ud800 alone", "0", "null", " ", "\ufeff", [], {},
    [[]], [{}], {"": None}, {"a": {"b": [1, 2.5, "c", None, True]}}, [None] * 100,
    {str(i): i for i in range(300)}, b"", b"\0", b"\xff", b"\xff\xff{}", b"{}", b"plain",
    bytes(range(256)),
]


@pytest.mark.parametrize("value", TABLE, ids=lambda value: repr(value)[:20])
def test_comes_back_equal(cache, value):
    assert cache.set("k", value) is True
    got = cache.get("k", "default")
    assert got == value
    assert type(got) is type(value)
    assert cache.get_many(["k"]) == {"k": value}
    assert cache.set_many({"m": value}) == 1
    assert cache.get("m", "default") == value


def test_numbers_that_are_none_come_back(cache):
    cache.set("k", [float("inf"), float("-inf"), float("nan")])
    high, low, none = cache.get("k")
    assert high == math.inf and low == -math.inf and math.isnan(none)


def test_what_json_changes_is_changed(cache):
    cache.set("k", ({1: "a"}, True))
    assert cache.get("k") == [{"1": "a"}, True]


def random_value(rng, depth=4):
    kind = rng.randrange(9 if depth else 6)
    if kind == 0:
        return rng.choice([None, True, False])
    if kind == 1:
        return rng.randint(-(2**70), 2**70)
    if kind == 2:
        return rng.uniform(-1e9, 1e9)
    if kind in (3, 4, 5):
        return "".join(chr(rng.choice([65, 0, 34, 92, 233, 0x4E2D, 0x1F600, 0xD800]))
                       for _ in range(rng.randrange(20)))
    if kind == 6:
        return [random_value(rng, depth - 1) for _ in range(rng.randrange(6))]
    return {f"{i}\u00fc": random_value(rng, depth - 1) for i in range(rng.randrange(6))}


def test_any_value_comes_back_as_json_would_give_it(cache, rng):
    for i in range(scaled(2000, 50)):
        value = random_value(rng) if i % 4 else rng.randbytes(rng.randrange(300))
        cache.set("k", value)
        want = value if isinstance(value, bytes) else json.loads(json.dumps(value))
        assert cache.get("k", "default") == want, f"round {i}"


class Point:
    pass


@pytest.mark.parametrize(
    "value, name",
    [(Point(), "Point"), ({1, 2}, "set"), ([1, [object()]], "object"), ({"a": 1j}, "complex"),
     (bytearray(b"x"), "bytearray"), (memoryview(b"x"), "memoryview"), ({"b": b"x"}, "bytes"),
     (Point, "type"), ({(1, 2): 3}, "tuple")],
)
def test_other_types_are_a_type_error_that_names_them(cache, value, name):
    cache.set("k", "before")
    fc.set_cache(cache)
    for attempt in (
        lambda: cache.set("k", value), lambda: cache.add("new", value),
        lambda: cache.set_many({"good": 1, "k": value}), lambda: fc.cache_set("k", value),
    ):
        with pytest.raises(TypeError, match=name):
            attempt()
    assert cache.get("k") == "before"
    assert cache.get_many(["new", "good"]) == {}


def test_a_circle_is_json_dumps_error(cache):
    circle = []
    circle.append(circle)
    with pytest.raises(ValueError, match="Circular"):
        cache.set("k", circle)
    # The encoder is the same one as before: nothing of the circle is left in it.
    cache.set("k", [[1]])
    assert cache.get("k") == [[1]]


def test_nesting_that_json_dumps_allows_comes_back(cache):
    value = []
    for _ in range(sys.getrecursionlimit() // 3):
        value = [value]
    cache.set("k", value)
    assert cache.get("k") == value


def test_a_subclass_goes_in_as_what_it_is(cache):
    class Text(str):
        pass

    cache.set(Text("k"), Text("v"))
    assert cache.get("k") == "v"


@pytest.mark.backends("redis", "valkey")
def test_the_server_has_the_json(cache, raw):
    for value in TABLE:
        cache.set("k", value)
        if isinstance(value, bytes):
            assert raw("k") == b"\xff" + value
        else:
            assert raw("k") == json.dumps(value).encode()
    cache.set("k", {"name": "Alice"})
    assert raw("k") == b'{"name": "Alice"}'


@pytest.mark.backends("redis", "valkey")
@pytest.mark.parametrize(
    "stored, value",
    [(b"", b""), (b"plain text", b"plain text"), (b"\x80\x02}q\x00.", b"\x80\x02}q\x00."),
     (b'{"a": 1', b'{"a": 1'), (b"{}x", b"{}x"), (b"007", b"007"), (b"'a'", b"'a'"),
     (b"\xc3(", b"\xc3("), (b"1\x00", b"1\x00"), (b'"\xed\xa0\x80"', b'"\xed\xa0\x80"'),
     (b"\xef\xbb\xbf1", b"\xef\xbb\xbf1"), (b"42", 42), (b' {"a" : [1,2]}\r\n', {"a": [1, 2]}),
     ('"\u00e9"'.encode(), "\u00e9"), (b"\xffabc", b"abc"), (b"1" * 5000, None)],
)
def test_what_others_wrote(cache, server, stored, value):
    server.ask("SET", cache.config.prefix + "k", stored)
    if value is None:  # more digits than this interpreter reads are no JSON to it
        value = stored if hasattr(sys, "get_int_max_str_digits") else int(stored)
    assert cache.get("k", "default") == value
    assert cache.get_many(["k"]) == {"k": value}


@pytest.mark.backends("redis", "valkey")
def test_a_value_that_is_too_deep_is_an_error_and_a_miss(cache, server):
    server.ask("SET", cache.config.prefix + "k", b"[" * 100000 + b"]" * 100000)
    with pytest.raises(fc.CacheInvalidError, match="nested"):
        cache.get("k")
    with pytest.raises(fc.CacheInvalidError, match="nested"):
        cache.get_many(["k"])
    fc.set_cache(cache)
    assert fc.cache_get("k", "default") == "default"


@pytest.mark.backends("redis", "valkey")
@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_nothing_is_unpickled(cache, server, protocol):
    """Whoever can write to the server could run code here if it were."""
    stored = pickle.dumps({"a": [1]}, protocol)
    server.ask("SET", cache.config.prefix + "k", stored)
    assert cache.get("k") == stored
    assert cache.get_many(["k"]) == {"k": stored}


def test_without_the_accelerators_of_json_it_is_the_same(monkeypatch, make_config):
    from faciliter_lib.cache import _base, _codec

    monkeypatch.setattr(json.encoder, "c_make_encoder", None)
    monkeypatch.setattr(json.scanner, "c_make_scanner", None)
    slow = (_codec._make_encoder(), json.dumps, _codec._make_scanner()) + _codec.HOOKS[3:]
    assert slow[0] is _codec._slow_encode and slow[2] is _codec._slow_scan
    monkeypatch.setattr(_base, "HOOKS", slow)
    with type_of(make_config)(make_config()) as cache:
        for value in TABLE:
            cache.set("k", value)
            assert cache.get("k", "default") == value
        with pytest.raises(TypeError, match="set"):
            cache.set("k", {1})


def type_of(make_config):
    from conftest import BACKEND, CLASSES

    return CLASSES[BACKEND][0]
