"""Blocked slots: a worker whose handler waits for another activity does no work, so one more takes its place meanwhile.

Nothing is done per activity: a worker pokes when a wait has lasted some milliseconds, and the ordinary looks at the
board do the rest. Slots beyond the ordinary ones are opened while nobody is free, and closed some time after they were
last needed, so that a handler which waits for one short activity after another costs one fork and not a thousand.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Final

from rrqmp.shared_state.board import Word, WorkerState
from rrqmp.supervisor.crew import Crew
from rrqmp.supervisor.log import LOGGER
from rrqmp.supervisor.worker_handle import Slot, Tenure

_LINGER_SECONDS: Final = 1.0
_TELL_AGAIN_SECONDS: Final = 60.0


class Compensation:
    """Keeps as many workers that do not wait as the crew was made with, up to `most` extra ones."""

    def __init__(self, crew: Crew, most: int) -> None:
        self._crew = crew
        self._most = most
        self._ordinary = len(crew.slots)
        # Since when there were more extra slots than waits, and the most waits since then.
        self._surplus_since: float | None = None
        self._needed = 0
        self._told_at = float("-inf")

    def look(self) -> None:
        """Opens and closes extra slots by what the board says now."""
        crew = self._crew
        if crew.draining or (
            len(crew.slots) == self._ordinary and not any(handle.page.waiting for handle in crew.roster)
        ):
            return
        workers = [slot.worker for slot in crew.slots if slot.tenure is Tenure.OPEN]
        waiting = sum(handle is not None and handle.page.waiting for handle in workers)
        # A slot whose process is on its way is free too: it needs no second one.
        free = any(handle is None or not handle.page.busy for handle in workers)
        extra = [slot for slot in crew.slots[self._ordinary :] if slot.tenure is Tenure.OPEN]
        wanted = min(waiting, self._most)
        if wanted > len(extra) and not free:
            self._open(wanted - len(extra))
        elif waiting > self._most and not free:
            self._tell(waiting)
        self._close(extra, wanted)

    def _open(self, count: int) -> None:
        slots = self._crew.slots
        for slot in slots[self._ordinary :]:
            if count and slot.tenure is not Tenure.OPEN:
                if slot.worker is not None:
                    # It may be on its way out already; then a successor follows.
                    slot.worker.page.words[Word.DRAINING] = 0
                slot.tenure = Tenure.OPEN
                count -= 1
        slots.extend(Slot(number) for number in range(len(slots), len(slots) + count))
        self._crew.staff()

    def _close(self, extra: Sequence[Slot], wanted: int) -> None:
        now = time.monotonic()
        if len(extra) <= wanted:
            self._surplus_since = None
        elif self._surplus_since is None:
            self._surplus_since, self._needed = now, wanted
        else:
            self._needed = max(self._needed, wanted)
            if now - self._surplus_since >= _LINGER_SECONDS:
                self._surplus_since = None
                # Idle ones first, and of these the newest.
                for slot in sorted(extra, key=_trouble)[: len(extra) - self._needed]:
                    slot.tenure = Tenure.CLOSING
                    if slot.worker is None and slot.pending is None:
                        slot.tenure = Tenure.CLOSED
        for slot in self._crew.slots[self._ordinary :]:
            if slot.tenure is Tenure.CLOSING and slot.worker is not None:
                self._crew.retire(slot.worker)

    def _tell(self, waiting: int) -> None:
        now = time.monotonic()
        if now - self._told_at < _TELL_AGAIN_SECONDS:
            return
        self._told_at = now
        LOGGER.warning(
            "%d handlers wait for other activities, and there are no more than %d extra workers: what they wait for "
            "may stand in the queue until their deadlines; raise max_waiting, or let handlers return and not wait",
            waiting,
            self._most,
        )


def _trouble(slot: Slot) -> tuple[bool, bool, int]:
    page = slot.worker.page if slot.worker is not None else None
    if page is None:
        return False, False, -slot.number
    return page.busy or page.state is not WorkerState.IDLE, page.waiting, -slot.number
