"""Telling workers that cannot start from workers that were killed: only the first are a reason to wait or give up."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from rrqmp.shared_state.board import KillReason, Word
from rrqmp.shared_state.exit_report import ExitReport
from rrqmp.supervisor.backoff import Backoff
from rrqmp.supervisor.worker_handle import Stage, WorkerHandle

# A worker that is still there so long after it was ready has started well.
_PROVEN_SECONDS: Final = 1.0


class Boots:
    """Counts failed starts in a row, over all slots."""

    def __init__(self, on_loop: Callable[[str], None]) -> None:
        self._on_loop = on_loop
        self._backoff = Backoff()

    def wait_seconds(self) -> float:
        """Seconds until the next process may be asked for."""
        return self._backoff.wait_seconds()

    def ready(self, handle: WorkerHandle) -> None:
        """It is set up; whether it can work is seen a little later."""
        asyncio.get_running_loop().call_later(_PROVEN_SECONDS, self._still_there, handle)

    def _still_there(self, handle: WorkerHandle) -> None:
        if handle.stage is not Stage.DEAD:
            self._backoff.succeeded()

    def died(self, handle: WorkerHandle, report: ExitReport, *, was_ready: bool) -> None:
        """Takes a death into account: of one that never ran anything and left by a fault of its own.

        One that ran something and died young, at nobody's cost, spoilt its own page: no sign of a bad start, and yet no
        reason to fork as fast as the processor can.
        """
        if not was_ready and handle.ordered in (KillReason.NONE, KillReason.TIMED_OUT):
            self._failed(f"workers die before they can work: {report.describe()}")
            return
        unordered = handle.ordered is KillReason.NONE and bool(report.signal or report.exit_code)
        if unordered and was_ready and report.broken is None and report.life_seconds < _PROVEN_SECONDS:
            self._backoff.failed()
        elif handle.page.words[Word.SEQ]:
            self._backoff.succeeded()
        elif handle.ordered is KillReason.NONE and report.exit_code:
            self._failed(f"workers die before they can work: {report.describe()}")

    def not_forked(self, *, for_want: bool) -> None:
        """There is no process. `for_want`: the kernel had none to give, which passes; else it died without a word."""
        if for_want:
            self._backoff.failed()
        else:
            self._failed("workers die in the fork, in a hook of the application or of a library")

    def _failed(self, reason: str) -> None:
        self._backoff.failed()
        if self._backoff.is_loop:
            self._on_loop(reason)
