"""Threads that are started before they have work: at the interpreter's end none can be started any more.

A pool whose first call comes with a program's last line is opened while the interpreter waits for it to finish.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from queue import SimpleQueue


class Standby:
    """One daemon thread that runs one function, once it is given it."""

    def __init__(self, name: str) -> None:
        self._work: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Waits for work from here on."""
        self._thread.start()

    def take(self, work: Callable[[], None]) -> threading.Thread:
        """Runs it; the thread, to be joined."""
        self._work.put(work)
        return self._thread

    def dismiss(self) -> None:
        """Ends without work, or after what it has; may be called twice."""
        self._work.put(None)

    def _run(self) -> None:
        work = self._work.get()
        if work is not None:
            work()
