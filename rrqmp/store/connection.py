"""One blocking connection with our own resends (signatures; body follows)."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import Any, Self, TypeVar

from rrqmp.store.script import Argument, Call

R = TypeVar("R")


class BlockingConnection:
    """One connection of one process: no I/O before `open()`, nothing kept over a fork."""

    def __init__(
        self,
        url: str,
        *,
        name: str = "rrqmp",
        connect_timeout: float = 5.0,
        read_timeout: float = 10.0,
        resend_seconds: float = 30.0,
    ) -> None: ...
    def open(self) -> Self: raise NotImplementedError
    def close(self) -> None: raise NotImplementedError
    def __enter__(self) -> Self: return self.open()
    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None: self.close()
    def run(self, call: Call[R]) -> R: raise NotImplementedError
    def command(self, *words: Argument) -> Any: raise NotImplementedError
    def fileno(self) -> int: raise NotImplementedError
    def begin_pop(self, keys: Sequence[str], timeout_seconds: float) -> None: raise NotImplementedError
    def reply_ready(self) -> bool: raise NotImplementedError
    def end_pop(self) -> str | None: raise NotImplementedError
