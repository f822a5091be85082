"""The asynchronous store (signatures; body follows)."""

from __future__ import annotations

from typing import Any, TypeVar

from rrqmp.store.script import Argument, Call

R = TypeVar("R")


class AsyncStore:
    """For the supervisor's loop: a few connections, short time-outs, bounded resends unless the call is endless."""

    def __init__(self, url: str, *, name: str = "rrqmp", connect_timeout: float = 1.0, read_timeout: float = 2.0, resend_seconds: float = 3.0) -> None: ...
    async def run(self, call: Call[R]) -> R: raise NotImplementedError
    async def command(self, *words: Argument) -> Any: raise NotImplementedError
    async def close(self) -> None: raise NotImplementedError
