"""What a supervisor counts: how its processes ended, and what its workers have counted before they died."""

from __future__ import annotations

from collections import Counter

from rrqmp.shared_state.exit_report import ExitReport
from rrqmp.telemetry.shared_counts import CountsFile


class Measures:
    """Counts deaths in any case, since that costs nothing; `counts` is there where somebody may ask for the rest."""

    def __init__(self, counts: CountsFile | None = None) -> None:
        self.counts = counts
        self.exits: Counter[str] = Counter()

    def died(self, report: ExitReport) -> None:
        """A process ended, or is taken for dead."""
        self.exits[report.summary] += 1

    def reaped(self, page: int) -> None:
        """A process is gone for good, and its page will be another's."""
        if self.counts is not None:
            self.counts.bury(page)

    def close(self) -> None:
        """Lets the memory go."""
        if self.counts is not None:
            self.counts.close()
