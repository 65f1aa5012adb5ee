# SPDX-License-Identifier: MIT
"""What the package logs: the library's own lines, and the facade's failures, not too often."""

from __future__ import annotations

import logging
import time
from typing import Dict, Tuple

from ._errors import CacheError

logger = logging.getLogger("faciliter_lib.cache")

#: Seconds between two lines on failures of the same kind.
INTERVAL_S = 30.0

#: Of each kind of failure: when it may be logged again, and how many were not.
_quiet: Dict[type, Tuple[float, int]] = {}

_LEVELS = (logging.DEBUG, logging.INFO, logging.WARNING)


def log_line(level: int, message: str) -> None:
    """Pass on a line of the C library's."""
    logger.log(_LEVELS[level], "%s", message)


def note_failure(verb: str, error: CacheError) -> None:
    """Log that the facade degraded. The first of its kind, then one every INTERVAL_S seconds.

    Threads that come at the same moment may both log, or lose count of one: no lock is worth it.
    """
    kind = type(error)
    now = time.monotonic()
    due, n_dropped = _quiet.get(kind, (now, 0))
    if now < due:
        _quiet[kind] = (due, n_dropped + 1)
        return
    _quiet[kind] = (now + INTERVAL_S, 0)
    more = f" ({n_dropped} more since the last such line)" if n_dropped else ""
    logger.warning("%s went on without a cache: %s%s", verb, error, more)


def forget_failures() -> None:
    """The next failure of each kind is logged at once: for a cache that is newly installed."""
    _quiet.clear()
