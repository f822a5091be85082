"""Zombies that a worker inherits from its handlers: reaped one by one, never by `waitpid(-1)`, which would steal a
handler's own child from under its `Popen`."""

from __future__ import annotations

import multiprocessing.process
import os
import subprocess
from typing import Final

from rrqmp.kernel import proc

_MOST: Final = 64
# Looking costs a read of /proc; a worker that idles and wakes by the thousand does not do it each time.
_EVERY: Final = 256


class OrphanWatch:
    """Counts and reaps what handlers left to this process."""

    def __init__(self) -> None:
        self._turns = 0
        self._left = 0

    def reap(self) -> None:
        """Reaps dead children that no live `Popen` or `Process` of this process can be waiting for."""
        self._turns += 1
        if self._turns % _EVERY != 1:
            return
        own = {child.pid for child in multiprocessing.process.active_children()}
        own |= {popen.pid for popen in getattr(subprocess, "_active", None) or ()}
        self._left = 0
        for pid in proc.children(os.getpid()):
            if pid in own:
                continue
            self._left += 1
            state = proc.signal_state(pid)
            # A direct child is somebody's Popen, which may still ask for its status; an adopted one is nobody's.
            if state is not None and state.state == "Z" and self._adopted(pid):
                try:
                    os.waitpid(pid, os.WNOHANG)
                    self._left -= 1
                except ChildProcessError:
                    pass

    def too_many(self) -> bool:
        """Whether this process is better replaced than tidied."""
        return self._left > _MOST

    def _adopted(self, pid: int) -> bool:
        # The kernel keeps no record of who forked whom; a session or group of its own is the daemon's way to flee.
        try:
            return os.getpgid(pid) != os.getpgrp()
        except ProcessLookupError:
            return False
