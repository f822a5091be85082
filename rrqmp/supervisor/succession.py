"""What a dead worker leaves to its successor: the report in its page of the board, until it is settled."""

from __future__ import annotations

import time
from collections.abc import Sequence

import msgspec

from rrqmp.shared_state.board import Page, Word
from rrqmp.shared_state.exit_report import ExitReport, encode_report
from rrqmp.supervisor.worker_handle import PendingReport, Slot


class Succession:
    """Owns the pages of the board: free, in use by one process, or kept for a report that is not settled yet."""

    def __init__(self, pages: Sequence[Page]) -> None:
        self._free = list(reversed(pages))

    @property
    def has_page(self) -> bool:
        """Whether one more process can be given a page."""
        return bool(self._free)

    def take_page(self) -> Page:
        """A blank page for a new process."""
        page = self._free.pop()
        page.clear()
        return page

    def give_back(self, page: Page) -> None:
        """The page's process is reaped, or never was."""
        self._free.append(page)

    def hand_down(self, slot: Slot, report: ExitReport, page: Page) -> None:
        """Leaves the report for the slot's next process; the page is kept for it, or given back."""
        pending = slot.pending
        if pending is not None:
            # It died over its predecessor's report: the same one again, for the next.
            pending.report = msgspec.structs.replace(pending.report, deaths=pending.report.deaths + 1)
            if pending.page is not None:
                pending.page.write_report(encode_report(pending.report))
            self.give_back(page)
        elif report.broken is None:
            self.give_back(page)
        elif page.write_report(encode_report(report)):
            slot.pending = PendingReport(report, page, time.monotonic())
        else:
            # Too long for the board: it survives everything but this supervisor's own death.
            slot.pending = PendingReport(report, None, time.monotonic())
            self.give_back(page)

    def settled(self, slot: Slot) -> None:
        """The slot's report, if there was one, is settled: its page may be used again."""
        pending, slot.pending = slot.pending, None
        if pending is not None and pending.page is not None:
            pending.page.words[Word.REPORT_BYTES] = 0
            self.give_back(pending.page)
