"""The orchestrator as the runner's fate: when it dies, by whatever signal, the runner stops and frees its port."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable

from rrqmp.kernel import proc
from rrqmp.kernel.pidfd import open_pidfd


class ParentGuard:
    """Watches one process through its pidfd, which neither threads nor a reused number can mislead."""

    def __init__(self, pidfd: int) -> None:
        self._pidfd = pidfd

    @classmethod
    def of_parent(cls, child: int) -> ParentGuard | None:
        """Of whoever started `child`, which is this process or one above it; `None` where that cannot be seen."""
        descriptor = open_parent(child)
        return cls(descriptor) if descriptor >= 0 else None

    def watch(self, on_death: Callable[[], None]) -> None:
        """Begins to watch; needs the running loop."""
        loop = asyncio.get_running_loop()

        def died() -> None:
            loop.remove_reader(self._pidfd)
            on_death()

        loop.add_reader(self._pidfd, died)


def open_parent(child: int) -> int:
    """A descriptor that can be read once whoever started `child` is dead; -1 where that cannot be seen."""
    parent = proc.parent(child)
    if not parent:
        return -1
    if _has_adopted(parent, child):
        return _dead()
    try:
        pidfd = open_pidfd(parent)
    except OSError:
        pidfd = -1
    if proc.parent(child) == parent:
        return pidfd
    # It died while we looked, and the descriptor may be a stranger's.
    if pidfd >= 0:
        os.close(pidfd)
    return _dead()


def _has_adopted(parent: int, child: int) -> bool:
    """Whether `child` was started by another, that died before we could look, while the interpreter started.

    A process is born into the session of its parent, and leaves it only by founding its own.
    """
    try:
        session = os.getsid(child)
        return session != child and os.getsid(parent) != session
    except OSError:
        return False


def _dead() -> int:
    """A descriptor that reads as a dead process's: the end of a pipe that nobody writes to."""
    read_end, write_end = os.pipe()
    os.close(write_end)
    return read_end
