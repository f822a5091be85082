"""The tie to a script or notebook that started this supervisor: told when it serves, and its end is a wish to stop."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Callable
from typing import Final

from rrqmp.kernel.pidfd import open_pidfd

READY_WORD: Final = b"ready\n"


class ParentLink:
    """Over a socket inherited from the parent; its end is the parent's death, whichever thread forked us.

    A child that the parent forks holds that socket open too and may live on, so the parent itself is watched as well.
    """

    def __init__(self, descriptor: int, on_gone: Callable[[], None]) -> None:
        self._descriptor = descriptor
        self._on_gone = on_gone
        self._pidfd = -1
        os.set_inheritable(descriptor, False)
        os.set_blocking(descriptor, False)

    def watch(self) -> None:
        """Begins to listen; needs the running loop."""
        loop = asyncio.get_running_loop()
        loop.add_reader(self._descriptor, self._read)
        with contextlib.suppress(OSError):
            # It may be gone already: then the socket tells, or nobody does.
            self._pidfd = open_pidfd(os.getppid())
            loop.add_reader(self._pidfd, self._gone)

    def say_ready(self) -> None:
        """Tells the parent that activities are being taken."""
        try:
            os.write(self._descriptor, READY_WORD)
        except OSError:
            # Gone; the reader says so.
            pass

    def _read(self) -> None:
        try:
            if os.read(self._descriptor, 64):
                return
        except BlockingIOError:
            return
        except OSError:
            pass
        self._gone()

    def _gone(self) -> None:
        loop = asyncio.get_running_loop()
        loop.remove_reader(self._descriptor)
        if self._pidfd >= 0:
            loop.remove_reader(self._pidfd)
            os.close(self._pidfd)
            self._pidfd = -1
        self._on_gone()
