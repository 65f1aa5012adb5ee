# SPDX-License-Identifier: MIT
"""What can go wrong, named by what a caller can do about it."""

from __future__ import annotations

from typing import Any, Dict, Type

from . import _native


class CacheError(Exception):
    """Every failure of a cache. A miss is none.

    status         the C library's name for it, such as "FAC_E_TIMEOUT"
    os_errno       the system's error number, or 0
    maybe_applied  of a write: it may have been applied, or may yet be
    server_code    first word of the server's error, such as "WRONGTYPE", or ""
    partial        of a batch: what did succeed, as the verb would have returned it; else None
    """

    status: str = ""
    os_errno: int = 0
    maybe_applied: bool = False
    server_code: str = ""
    partial: Any = None


class CacheConfigError(CacheError, ValueError):
    """A setting is wrong, or asks for what is not built. It does not heal by itself."""


class CacheInvalidError(CacheError, ValueError):
    """An argument is out of range, or a value is too large. Nothing was done."""


class CacheUnavailableError(CacheError):
    """No server can be reached now, or too many calls wait. Go on without; it may heal."""


class CacheTimeoutError(CacheUnavailableError, TimeoutError):
    """The deadline passed first."""


class CacheClosedError(CacheError):
    """The cache was closed, or none is installed."""


class CacheAuthError(CacheError):
    """The server refused the credentials or the permission."""


class CacheServerError(CacheError):
    """The server refused the command (see server_code), or answered what is no answer."""


_CLASSES: Dict[int, Type[CacheError]] = {
    _native.FAC_E_INVALID: CacheInvalidError,
    _native.FAC_E_CONFIG: CacheConfigError,
    _native.FAC_E_UNAVAILABLE: CacheUnavailableError,
    _native.FAC_E_TIMEOUT: CacheTimeoutError,
    _native.FAC_E_BUSY: CacheUnavailableError,
    _native.FAC_E_AUTH: CacheAuthError,
    _native.FAC_E_SERVER: CacheServerError,
    _native.FAC_E_PROTOCOL: CacheServerError,
    _native.FAC_E_TOO_LARGE: CacheInvalidError,
    _native.FAC_E_CLOSED: CacheClosedError,
    _native.FAC_E_UNSUPPORTED: CacheConfigError,
}

_NAMES: Dict[int, str] = {
    number: name for name, number in vars(_native).items() if name.startswith("FAC_E_")
}


def make_error(
    status: int, os_errno: int = 0, maybe_applied: bool = False, server_code: str = "",
    message: str = "",
) -> CacheError:
    """The exception for what the C library said."""
    error = _CLASSES.get(status, CacheError)(message)
    error.status = _NAMES.get(status, "")
    error.os_errno = os_errno
    error.maybe_applied = maybe_applied
    error.server_code = server_code
    return error
