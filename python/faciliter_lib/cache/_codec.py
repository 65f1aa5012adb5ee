# SPDX-License-Identifier: MIT
"""Values to JSON and back, with CPython's own encoder and scanner, made once instead of per call.

The C extension calls them. Both are parts of the json module that json.dumps() and json.loads()
stand on; where an interpreter does not have them as they are known, those two take their place.
"""

from __future__ import annotations

import enum
import importlib
import json
from typing import Any, Callable, Sequence, Tuple

from . import _errors, _log

# Parts of json that type checkers do not know.
_encoders: Any = importlib.import_module("json.encoder")
_scanners: Any = importlib.import_module("json.scanner")


class _Configured(enum.Enum):
    TTL = "ttl"

    def __repr__(self) -> str:
        return "CONFIGURED"


#: An omitted `ttl`: the configured one. An explicit None is another thing: no expiry.
CONFIGURED = _Configured.TTL

Encoder = Callable[[Any, int], Sequence[str]]
Scanner = Callable[[str, int], Tuple[Any, int]]


def _slow_encode(value: Any, _level: int) -> Sequence[str]:
    return (json.dumps(value),)


def _slow_scan(text: str, start: int) -> Tuple[Any, int]:
    return json.JSONDecoder().raw_decode(text, start)


def _make_encoder() -> Encoder:
    """What json.dumps() makes anew in each call. Without the memory of a circle's members, which
    one call cannot share with another: the extension asks json.dumps() when it gets too deep."""
    defaults = json.JSONEncoder()
    encoder: Encoder
    try:
        encoder = _encoders.c_make_encoder(
            None, defaults.default, _encoders.encode_basestring_ascii, None,
            defaults.key_separator, defaults.item_separator, False, False, True,
        )
        probe = {"a": [1, 2.5, None, True, "\u00e9\n"], "b": float("inf")}
        if "".join(encoder(probe, 0)) == json.dumps(probe):
            return encoder
    except Exception:  # not of the shape known here: any failure at all means "not this way"
        pass
    return _slow_encode


def _make_scanner() -> Scanner:
    try:
        scanner: Scanner = _scanners.c_make_scanner(json.JSONDecoder())
        if scanner('{"a": [1, 2.5, null]}', 0) == ({"a": [1, 2.5, None]}, 21):
            return scanner
    except Exception:  # as above
        pass
    return _slow_scan


#: In the order of `enum facpy_hook`.
HOOKS = (
    _make_encoder(), json.dumps, _make_scanner(), json.loads, _errors.make_error, _log.log_line,
    CONFIGURED,
)

#: For type hints: what `ttl` can be.
Configured = _Configured
