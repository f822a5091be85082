"""The client's pool of blocking connections: for many threads, and over forks."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from types import TracebackType
from typing import Any, Self, TypeVar

from rrqmp.errors import StoreError, StoreUnavailable
from rrqmp.store.connection import BlockingConnection
from rrqmp.store.script import Argument, Call
from rrqmp.store.url import parse_url

R = TypeVar("R")


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolLimits:
    """Numbers and seconds, as in `RedisConfig`; `conn_timeout` also bounds the wait for a free connection.

    `min_idle` are opened once the first call has gone, and again when age has closed one. A connection past one of its
    two ages is never used again.
    """

    max_size: int = 50
    min_idle: int = 0
    conn_timeout: float = 5.0
    idle_timeout: float | None = 300.0
    max_lifetime: float | None = 1800.0

    def is_fresh(self, born: float, used: float, now: float) -> bool:
        """Whether a connection of this age may be used."""
        return (self.max_lifetime is None or now - born < self.max_lifetime) and (
            self.idle_timeout is None or now - used < self.idle_timeout
        )


@dataclass(slots=True)
class _Member:
    connection: BlockingConnection
    born: float
    used: float


class ConnectionPool:
    """Runs calls from any thread; a child starts afresh after a fork. No I/O before the first call.

    The most recently used connection goes out first, so that what a burst needed falls idle and is closed.
    """

    def __init__(
        self,
        url: str,
        limits: PoolLimits | None = None,
        *,
        name: str = "rrqmp-client",
        resend_seconds: float = 30.0,
    ) -> None:
        self.url = url
        self.address = parse_url(url)
        self.limits = limits or PoolLimits()
        self._name = name
        self._resend_seconds = resend_seconds
        self._start_afresh()

    def run(self, call: Call[R]) -> R:
        """Runs the call; raises as `BlockingConnection.run`."""
        member = self._take()
        try:
            return member.connection.run(call)
        finally:
            self._give_back(member)

    def command(self, *words: Argument) -> Any:
        """Runs a plain command, which must bear being sent twice."""
        member = self._take()
        try:
            return member.connection.command(*words)
        finally:
            self._give_back(member)

    def close(self) -> None:
        """Closes what is idle; a later call would open a connection again."""
        while self._idle and self._pid == os.getpid():
            self._idle.pop().connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _start_afresh(self) -> None:
        self._pid = os.getpid()
        # Append and pop of a list are atomic, so that the way to an idle connection takes no lock.
        self._idle: list[_Member] = []
        self._is_filled = self.limits.min_idle == 0
        # One token a place: a Semaphore is written in Python and costs a tenth of a whole call.
        self._places: SimpleQueue[None] = SimpleQueue()
        for _ in range(self.limits.max_size):
            self._places.put(None)

    def _take(self) -> _Member:
        if self._pid != os.getpid():
            # The parent's sockets are left to the parent: closing them here would shut its connections down.
            self._start_afresh()
        try:
            self._places.get(timeout=self.limits.conn_timeout)
        except Empty:
            raise StoreUnavailable(
                f"No free connection to Redis at {self.address} within {self.limits.conn_timeout} s: "
                f"{self.limits.max_size} are in use; raise max_size"
            ) from None
        now = time.monotonic()
        try:
            while self._idle:
                member = self._idle.pop()
                if self.limits.is_fresh(member.born, member.used, now):
                    return member
                self._close_aged(member)
        except IndexError:
            # Another thread took the last one.
            pass
        return _Member(self._make(), now, now)

    def _give_back(self, member: _Member) -> None:
        now = time.monotonic()
        member.used = now
        if self._pid == os.getpid():
            self._idle.append(member)
            self._places.put(None)
            self._drop_oldest(now)
            if not self._is_filled and member.connection.fileno() != -1:
                self._fill(now)

    def _drop_oldest(self, now: float) -> None:
        if len(self._idle) <= 1:
            return
        try:
            oldest = self._idle[0]
            if self.limits.is_fresh(oldest.born, oldest.used, now):
                return
            oldest = self._idle.pop(0)
        except IndexError:
            return
        self._close_aged(oldest)

    def _close_aged(self, member: _Member) -> None:
        member.connection.close()
        self._is_filled = self.limits.min_idle == 0

    def _fill(self, now: float) -> None:
        """Opens what is missing; one that cannot be opened is left for the call that needs it."""
        self._is_filled = True
        # A place that is free is one that another thread may come to need: both together stay within max_size.
        while len(self._idle) < min(self.limits.min_idle, self._places.qsize()):
            try:
                # At the far end: what has been used goes out first.
                self._idle.insert(0, _Member(self._make().open(), now, now))
            except StoreError:
                return

    def _make(self) -> BlockingConnection:
        make: Callable[..., BlockingConnection] = BlockingConnection
        return make(
            self.url,
            name=self._name,
            connect_timeout=self.limits.conn_timeout,
            resend_seconds=self._resend_seconds,
        )
