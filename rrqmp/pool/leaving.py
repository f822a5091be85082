"""The end of the interpreter: pools finish what was submitted, as the standard library's executors do."""

from __future__ import annotations

import atexit
import threading
from typing import Any, Protocol


class Closable(Protocol):
    """A pool's thread, as far as the end concerns it."""

    def close(self, *, wait: bool, cancel: bool) -> None:
        """Finishes, and waits for it."""

    def interrupt(self) -> None:
        """Stops at once what runs."""


_running: set[Closable] = set()
_leaving = threading.Event()


def interpreter_leaves() -> bool:
    """Whether nothing new may be started any more."""
    return _leaving.is_set()


def join_at_exit(pool: Closable) -> None:
    """Waits for the pool before the interpreter goes."""
    _running.add(pool)


def forget(pool: Closable) -> None:
    """The pool has ended by itself."""
    _running.discard(pool)


def _leave() -> None:
    _leaving.set()
    pools = list(_running)
    try:
        for pool in pools:
            pool.close(wait=False, cancel=False)
        for pool in pools:
            pool.close(wait=True, cancel=False)
    except KeyboardInterrupt:
        # A second Ctrl-C: whoever gives it does not want to wait for what runs.
        for pool in pools:
            pool.interrupt()
        for pool in pools:
            pool.close(wait=True, cancel=True)


# Before the interpreter joins its threads, while threads and processes can still be started: `atexit` is too late.
_register: Any = getattr(threading, "_register_atexit", atexit.register)
_register(_leave)
