"""Waits inside a handler: the worker that is blocked by one says so, and its supervisor puts another in its place.

One hook for the process and not one for each executor: a handler that waits through a client of its own blocks its slot
just the same. Outside of a worker nobody is told.
"""

from __future__ import annotations

from collections.abc import Callable
from queue import Empty, SimpleQueue
from time import monotonic
from typing import Final, Protocol, TypeVar

T = TypeVar("T")

# Shorter waits are not worth another process, nor the supervisor's look.
PATIENCE_SECONDS: Final = 0.005
AGAIN_SECONDS: Final = 1.0


class Host(Protocol):
    """What a worker is told."""

    def wait_began(self) -> int:
        """Somebody in this process is blocked; the mark for `wait_ended`."""
        ...

    def wait_ended(self, mark: int) -> None:
        """That one goes on."""

    def blocked(self) -> tuple[str, str]:
        """Queue and id of the activity that runs."""
        ...

    def hastened(self) -> None:
        """What it waits for stands in front of the queue now."""


_host: Host | None = None


def install(host: Host) -> None:
    """Makes waits of this process known to its worker."""
    global _host  # noqa: PLW0603 - what is blocked is the process: one hook for all of its executors
    _host = host


def hastened() -> None:
    """What this process waits for stands in front of the queue now: its worker may say so."""
    if _host is not None:
        _host.hastened()


def take(sink: SimpleQueue[T], seconds: float | None, on_blocked: Callable[[str, str], None]) -> T:
    """The next of the sink. Raises `Empty` after the time.

    `on_blocked` is called with queue and id of the activity that is blocked, and again every few seconds.
    """
    host = _host
    if host is None or (seconds is not None and seconds <= PATIENCE_SECONDS):
        return sink.get(timeout=seconds)
    try:
        return sink.get(timeout=PATIENCE_SECONDS)
    except Empty:
        pass
    until = None if seconds is None else monotonic() + seconds - PATIENCE_SECONDS
    mark = host.wait_began()
    try:
        while True:
            if mark:
                on_blocked(*host.blocked())
            left = AGAIN_SECONDS if until is None else min(AGAIN_SECONDS, max(0.0, until - monotonic()))
            try:
                # In this very frame: it is known as the place where a handler waits and may be interrupted.
                return sink.get(timeout=left)
            except Empty:
                if until is not None and monotonic() >= until:
                    raise
    finally:
        host.wait_ended(mark)


class Blocked:
    """The same around an `await`, once it has lasted: falsy outside of a worker."""

    __slots__ = ("_host", "_mark")

    def __init__(self) -> None:
        self._host = _host
        self._mark = 0

    def __bool__(self) -> bool:
        return self._host is not None

    def __enter__(self) -> tuple[str, str] | None:
        """Queue and id of the activity that is blocked; `None` where none is."""
        if self._host is None:
            return None
        self._mark = self._host.wait_began()
        return self._host.blocked() if self._mark else None

    def __exit__(self, *_: object) -> None:
        if self._host is not None:
            self._host.wait_ended(self._mark)
