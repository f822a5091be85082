"""A slot: a place for one running activity, which outlives the processes that fill it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rrqmp.shared_state.exit_report import ExitReport

if TYPE_CHECKING:
    from rrqmp.shared_state.board import Page
    from rrqmp.supervisor.worker_handle import WorkerHandle


@dataclass(slots=True)
class PendingReport:
    """A death that is not settled yet, and the page of the board that keeps it until then."""

    report: ExitReport
    page: Page | None
    since: float


@dataclass(slots=True, eq=False)
class Slot:
    """`inc` counts the processes that were given this slot under this boot; it is never used twice."""

    number: int
    inc: int = 0
    worker: WorkerHandle | None = None
    pending: PendingReport | None = None

    def next_inc(self) -> int:
        """The number of the process that is about to take this slot."""
        self.inc += 1
        return self.inc
