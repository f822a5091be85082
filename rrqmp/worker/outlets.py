"""Standard output and standard error of a worker, whose reader may close them and thereby fail whoever prints."""

from __future__ import annotations

import logging
import os
import select
from typing import Final

_NAMES: Final = {1: "standard output", 2: "standard error"}
_log: Final = logging.getLogger("rrqmp.worker")


class Outlets:
    """An orchestrator that captures output closes it at the first byte that is not UTF-8, which any child may write."""

    def __init__(self) -> None:
        self._closed = select.poll()
        for descriptor in _NAMES:
            # Nothing is asked for: a reader that has gone is told in any case.
            self._closed.register(descriptor, 0)

    def mend(self) -> None:
        """What nobody reads any more goes nowhere from now on, in the place of a BrokenPipeError in every handler."""
        for descriptor, event in self._closed.poll(0):
            if event & (select.POLLERR | select.POLLHUP):
                nowhere = os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
                os.dup2(nowhere, descriptor)
                os.close(nowhere)
                _log.warning(
                    "%s of this worker goes nowhere from now on: its reader has closed it, as an orchestrator does at "
                    "the first byte that is not UTF-8",
                    _NAMES[descriptor],
                )
