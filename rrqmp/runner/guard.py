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
        parent = proc.parent(child)
        try:
            guard = cls(open_pidfd(parent)) if parent else None
        except OSError:
            return None
        if guard is not None and proc.parent(child) != parent:
            # It died while we looked, and the descriptor may be a stranger's: the end is seen at once all the same.
            os.close(guard._pidfd)
            return cls(_dead())
        return guard

    def watch(self, on_death: Callable[[], None]) -> None:
        """Begins to watch; needs the running loop."""
        loop = asyncio.get_running_loop()

        def died() -> None:
            loop.remove_reader(self._pidfd)
            on_death()

        loop.add_reader(self._pidfd, died)


def _dead() -> int:
    """A descriptor that reads as a dead process's: the end of a pipe that nobody writes to."""
    read_end, write_end = os.pipe()
    os.close(write_end)
    return read_end
