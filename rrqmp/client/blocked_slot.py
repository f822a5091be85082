"""Waits inside a handler: the worker that is blocked by one says so, and its supervisor puts another in its place.

One hook for the process and not one for each executor: a handler that waits through a client of its own blocks its slot
just the same. Outside of a worker nobody is told.
"""

from __future__ import annotations

from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Final, Protocol, TypeVar

T = TypeVar("T")

# Shorter waits are not worth another process, nor the supervisor's look.
PATIENCE_SECONDS: Final = 0.005


class Host(Protocol):
    """What a worker is told."""

    def wait_began(self) -> int:
        """Somebody in this process is blocked; the mark for `wait_ended`."""
        ...

    def wait_ended(self, mark: int) -> None:
        """That one goes on."""


_host: Host | None = None


def install(host: Host | None) -> None:
    """Makes waits of this process known to its worker; `None` makes them private again."""
    global _host  # noqa: PLW0603 - what is blocked is the process: one hook for all of its executors
    _host = host


def take(sink: SimpleQueue[T], seconds: float | None) -> T:
    """The next of the sink. Raises `Empty` after the time."""
    host = _host
    if host is None or (seconds is not None and seconds <= PATIENCE_SECONDS):
        return sink.get(timeout=seconds)
    try:
        return sink.get(timeout=PATIENCE_SECONDS)
    except Empty:
        pass
    mark = host.wait_began()
    try:
        return sink.get(timeout=None if seconds is None else seconds - PATIENCE_SECONDS)
    finally:
        host.wait_ended(mark)


class _Timer(Protocol):
    def cancel(self) -> None: ...


class _Loop(Protocol):
    def call_later(self, delay: float, callback: Callable[[], object], /) -> _Timer: ...


class Blocked:
    """The same around an `await`: `with Blocked(loop): await end`."""

    __slots__ = ("_host", "_loop", "_mark", "_timer")

    def __init__(self, loop: _Loop) -> None:
        self._loop = loop
        self._host = _host
        self._mark = 0
        self._timer: _Timer | None = None

    def __enter__(self) -> None:
        if self._host is not None:
            self._timer = self._loop.call_later(PATIENCE_SECONDS, self._begin)

    def __exit__(self, *_: object) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._host is not None and self._mark:
            self._host.wait_ended(self._mark)

    def _begin(self) -> None:
        if self._host is not None:
            self._mark = self._host.wait_began()
