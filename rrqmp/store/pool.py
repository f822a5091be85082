"""The client's pool (signatures; body follows)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeVar

from rrqmp.store.script import Argument, Call

R = TypeVar("R")


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolLimits:
    """Seconds and numbers, as in `RedisConfig`."""

    max_size: int = 50
    min_idle: int = 0
    conn_timeout: float = 5.0
    idle_timeout: float | None = 300.0
    max_lifetime: float | None = 1800.0


class ConnectionPool:
    """Thread-safe and fork-safe."""

    def __init__(
        self, url: str, limits: PoolLimits = PoolLimits(), *, name: str = "rrqmp-client", resend_seconds: float = 30.0
    ) -> None: ...
    def run(self, call: Call[R]) -> R:
        raise NotImplementedError

    def command(self, *words: Argument) -> Any:
        raise NotImplementedError

    def close(self) -> None:
        raise NotImplementedError
