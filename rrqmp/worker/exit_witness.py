"""Writing down where a handler left from: `os._exit` kills the process without a signal that could be caught."""

from __future__ import annotations

import faulthandler
import os
from typing import NoReturn


class ExitWitness:
    """Stands before `os._exit` in a worker, so that the death has a stack like any other."""

    def __init__(self, dump: int) -> None:
        self._dump = dump
        self._pid = os.getpid()
        self._exit = os._exit

    def install(self) -> None:
        """From now on `os._exit` of this process writes all stacks first."""
        os._exit = self._leave

    def _leave(self, status: int) -> NoReturn:
        # A child that a handler forked leaves this way too, and its end is not the worker's.
        if os.getpid() == self._pid:
            try:
                faulthandler.dump_traceback(file=self._dump, all_threads=True)
            except (OSError, ValueError):
                pass
        self._exit(status)
