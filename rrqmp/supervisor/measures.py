"""What a supervisor counts: how its processes ended, and what its workers have counted before they died."""

from __future__ import annotations

from collections import Counter
from typing import Final

from rrqmp.shared_state.board import WorkerState
from rrqmp.shared_state.exit_report import ExitReport
from rrqmp.supervisor.worker_handle import ITS_OWN_FAULT, WorkerHandle
from rrqmp.telemetry.shared_counts import CountsFile
from rrqmp.telemetry.vocabulary import Callback

# Which callback ran, by the state that says so. Of those at the end of a worker's life only that one of them did.
_KILLERS: Final = {
    WorkerState.STARTING: Callback.ON_WORKER_START,
    WorkerState.SETTING_UP: Callback.SETUP,
    WorkerState.RECOVERING: Callback.ON_DEAD_LETTER,
    WorkerState.LEAVING: Callback.TEARDOWN,
}


class Measures:
    """Counts deaths in any case, since that costs nothing; `counts` is there where somebody may ask for the rest."""

    def __init__(self, counts: CountsFile | None = None) -> None:
        self.counts = counts
        self.exits: Counter[str] = Counter()

    def died(self, report: ExitReport) -> None:
        """A process ended, or is taken for dead."""
        self.exits[report.summary] += 1

    def reaped(self, handle: WorkerHandle) -> None:
        """A process is gone for good, and its page will be another's."""
        if self.counts is not None:
            self.counts.bury(handle.page.index)
            callback = _KILLERS.get(handle.page.state)
            if callback is not None and handle.page.busy and handle.ordered in ITS_OWN_FAULT:
                self.counts.callback_killed(callback)

    def close(self) -> None:
        """Lets the memory go."""
        if self.counts is not None:
            self.counts.close()
