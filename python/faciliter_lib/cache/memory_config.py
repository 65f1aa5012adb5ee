# SPDX-License-Identifier: MIT
"""MemoryConfig: how a cache in the process's own memory is kept."""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar, Dict, Optional, Union

from ._config import BaseConfig


@dataclasses.dataclass(repr=False)
class MemoryConfig(BaseConfig):
    """Settings of a cache in the process's own memory.

    prefix        put before every key
    ttl           seconds that a value lives when `ttl` is omitted; None: until evicted
    memory_bytes  most memory it takes, everything counted: a number, or with KiB, MiB or GiB
    """

    provider: ClassVar[str] = "memory"

    prefix: str = "cache:"
    ttl: Optional[float] = 3600
    memory_bytes: Union[int, str] = "64MiB"
    extra: Dict[str, Any] = dataclasses.field(default_factory=dict)
