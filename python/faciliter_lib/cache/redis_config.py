# SPDX-License-Identifier: MIT
"""RedisConfig: where a Redis server is, and how it is used."""

from __future__ import annotations

import dataclasses
from typing import ClassVar

from ._config import ServerConfig


@dataclasses.dataclass(repr=False)
class RedisConfig(ServerConfig):
    __doc__ = ServerConfig.__doc__

    provider: ClassVar[str] = "redis"
