# SPDX-License-Identifier: MIT
"""What the configuration classes share: from fields to the library's settings, and back."""

from __future__ import annotations

import dataclasses
import os
import re
from typing import Any, ClassVar, Dict, List, Optional, Tuple, Type, TypeVar

from . import _native
from ._errors import make_error

SettingPairs = Tuple[Tuple[bytes, bytes], ...]
Row = Tuple[str, str, str, str, str]

ConfigType = TypeVar("ConfigType", bound="BaseConfig")

_SECRET = re.compile("password|api_key|key_password|secret|token")
_TRUE = ("true", "yes", "on", "1")
_MASK = "********"


def describe(pairs: SettingPairs, ignore_environment: bool) -> List[Row]:
    """(name, value, source, variable, help) of each effective setting; CacheConfigError."""
    rows = _native.describe(pairs, ignore_environment)
    if isinstance(rows, tuple):
        status, message = rows
        raise make_error(status, message=message)
    return rows


def setting_text(value: Any) -> str:
    """A field's value in the library's form, in which it checks its range."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (str, int, float)):
        return str(value)
    raise TypeError(f"a setting must be str, int, float or bool, not {type(value).__name__}")


def pair(name: str, value: Any) -> Tuple[bytes, bytes]:
    """One setting for the extension."""
    text = setting_text(value).encode()
    if b"\0" in text:
        raise make_error(_native.FAC_E_CONFIG, message=f"{name} holds a NUL")
    return name.encode(), text


def without_secret(name: str, value: Any) -> Any:
    """What may be shown of a field."""
    if value and _SECRET.search(name) and name != "password_file":
        return _MASK
    if name == "url" and isinstance(value, str):
        return re.sub(r"://[^/?#]*@", f"://{_MASK}@", value)
    return value


@dataclasses.dataclass(repr=False)
class BaseConfig:
    """Settings of one cache. `extra` takes settings of the C library that have no field here."""

    provider: ClassVar[str] = ""

    def __repr__(self) -> str:
        shown = ", ".join(
            f"{field.name}={without_secret(field.name, getattr(self, field.name))!r}"
            for field in dataclasses.fields(self)
            if field.name != "extra" and self._is_set(field)
        )
        return f"{type(self).__name__}({shown})"

    def _is_set(self, field: "dataclasses.Field[Any]") -> bool:
        return bool(getattr(self, field.name) != field.default)

    def _pairs(self) -> SettingPairs:
        """The settings that differ from the library's own defaults, which the fields' are."""
        values: Dict[str, Any] = {
            field.name: getattr(self, field.name)
            for field in dataclasses.fields(self)
            if field.name != "extra" and self._is_set(field)
        }
        values.update(getattr(self, "extra", {}))
        pairs = [pair("provider", self.provider)]
        # The URL first: when its scheme is not built, that is what has to be said.
        for name in sorted(values, key=lambda name: name != "url"):
            pairs.append(pair(name, values[name]))
        return tuple(pairs)

    @classmethod
    def from_env(cls: Type[ConfigType]) -> ConfigType:
        """What the environment says now. A value that cannot be right: CacheConfigError."""
        fields = {field.name: field for field in dataclasses.fields(cls)}
        rows = describe((pair("provider", cls.provider),), False)
        values: Dict[str, Any] = {}
        extra: Dict[str, Any] = {}
        for name, value, source, variable, _help in rows:
            if source != "environment" or name == "provider":
                continue
            if value == _MASK or name == "url":
                value = os.environ.get(variable, "")
            if name in fields:
                values[name] = _field_value(name, value, fields[name].default)
            else:
                extra[name] = value
        if extra:
            values["extra"] = extra
        return cls(**values)


def _field_value(name: str, text: str, default: Any) -> Any:
    """The Python value of a setting's text, of the type that the field's default has."""
    if isinstance(default, bool):
        return text in _TRUE
    if name == "ttl" and text == "none":
        return None
    if isinstance(default, int):
        number = float(text)
        return int(number) if number.is_integer() else number
    return text


@dataclasses.dataclass(repr=False)
class ServerConfig(BaseConfig):
    """Settings of a cache on a server: the keyword arguments, with their defaults.

    host, port, db    where it is; or `url` (redis://, rediss://, valkey://, valkeys://, https://,
                      unix://), or `unix_socket`
    prefix            put before every key
    ttl               seconds that a value lives when `ttl` is omitted; None: until evicted
    password          or password_file, which is read again at each connect
    max_connections   most connections to the server at a time
    retry_on_timeout  send a read once more when half of the time brought no answer
    timeout           seconds that a call may take in all, connecting included
    """

    host: str = "localhost"
    port: int = 6379
    db: int = 0
    prefix: str = "cache:"
    ttl: Optional[float] = 3600
    password: Optional[str] = None
    username: Optional[str] = None
    password_file: Optional[str] = None
    url: Optional[str] = None
    api_key: Optional[str] = None
    unix_socket: Optional[str] = None
    max_connections: int = 50
    retry_on_timeout: bool = True
    timeout: float = 4
    max_retries: int = 2
    breaker: bool = True
    breaker_open: float = 1
    reconnect_max: float = 2
    integrity_check: int = 0
    extra: Dict[str, Any] = dataclasses.field(default_factory=dict)

    def _pairs(self) -> SettingPairs:
        pairs = super()._pairs()
        if self.api_key is not None and not (self.url or "").startswith("https://"):
            raise make_error(
                _native.FAC_E_CONFIG, message="api_key is for an https:// url, which is not given"
            )
        return pairs
