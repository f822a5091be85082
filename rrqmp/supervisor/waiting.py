"""Blocked slots: a worker whose handler waits for another activity does no work, so one more takes its place meanwhile.

Nothing is done per activity: a worker pokes when a wait has lasted some milliseconds, and the ordinary looks at the
board do the rest. Slots beyond the ordinary ones are opened while nobody is free, and closed some time after they were
last needed, so that a handler which waits for one short activity after another costs one fork and not a thousand.

A part of the extra ones is kept for when every worker waits, and something that one of them waits for stands ready in
front of the queue. The one more that comes then runs just that and leaves: had it a second claim it might begin a
family of its own, and more families begun than there are slots would stand still for good.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from rrqmp.errors import StoreError
from rrqmp.shared_state.board import WorkerState
from rrqmp.supervisor.crew import Crew
from rrqmp.supervisor.log import LOGGER
from rrqmp.supervisor.worker_handle import Slot, Tenure

_LINGER_SECONDS: Final = 1.0
_TELL_AGAIN_SECONDS: Final = 60.0
_KEPT_SHARE: Final = 4


class Compensation:
    """Keeps as many workers that do not wait as the crew was made with, up to `most` extra ones."""

    def __init__(self, crew: Crew, most: int, is_awaited: Callable[[], Awaitable[bool]]) -> None:
        self._crew = crew
        self._most = most
        self._is_awaited = is_awaited
        self._asking: asyncio.Task[None] | None = None
        self._most_at_will = most - most // _KEPT_SHARE
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
        # A closing slot takes no more work, but what it runs comes to an end.
        filled = [slot for slot in crew.slots if slot.tenure in (Tenure.OPEN, Tenure.ONCE) or slot.worker is not None]
        waiting = sum(slot.worker is not None and slot.worker.page.waiting for slot in filled)
        # A slot whose process is on its way is free too: it needs no second one.
        free = any(_is_free(slot) for slot in filled)
        extra = [slot for slot in crew.slots[self._ordinary :] if slot.tenure is Tenure.OPEN]
        wanted = min(waiting, self._most_at_will)
        if wanted > len(extra) and not free:
            self._open(wanted - len(extra))
        elif waiting and waiting == len(filled):
            if waiting >= self._ordinary + self._most:
                self._tell(waiting)
            elif self._asking is None or self._asking.done():
                self._asking = asyncio.get_running_loop().create_task(self._rescue())
        self._close(extra, wanted)

    async def stop(self) -> None:
        """Asks no more."""
        if self._asking is not None:
            self._asking.cancel()
            await asyncio.gather(self._asking, return_exceptions=True)

    async def _rescue(self) -> None:
        """One more if that brings somebody on; else the next look asks again."""
        try:
            is_awaited = await self._is_awaited()
        except StoreError:
            # The heartbeat tells of the outage.
            return
        filled = [slot for slot in self._crew.slots if slot.tenure is not Tenure.CLOSED]
        everybody_waits = all(slot.worker is not None and slot.worker.page.waiting for slot in filled)
        if is_awaited and everybody_waits and not self._crew.draining:
            self._open(1, Tenure.ONCE)

    def _open(self, count: int, tenure: Tenure = Tenure.OPEN) -> None:
        slots = self._crew.slots
        for slot in slots[self._ordinary :]:
            # One that is on its way out is passed over: it may be in its last call.
            if count and slot.tenure is Tenure.CLOSED:
                slot.tenure = tenure
                count -= 1
        room = self._ordinary + self._most - len(slots)
        slots.extend(Slot(number, tenure) for number in range(len(slots), len(slots) + min(count, room)))
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
            idle_once = slot.tenure is Tenure.ONCE and not wanted
            if slot.worker is not None and (slot.tenure is Tenure.CLOSING or idle_once):
                self._crew.retire(slot.worker)

    def _tell(self, waiting: int) -> None:
        now = time.monotonic()
        if now - self._told_at < _TELL_AGAIN_SECONDS:
            return
        self._told_at = now
        LOGGER.warning(
            "all %d workers, %d of them extra ones, wait for other activities, and nobody is left to run these here: "
            "they stand until their deadlines; raise max_waiting, or let handlers return and not wait",
            waiting,
            self._most,
        )


def _is_free(slot: Slot) -> bool:
    if slot.worker is None or not slot.worker.page.busy:
        return slot.tenure in (Tenure.OPEN, Tenure.ONCE)
    return False


def _trouble(slot: Slot) -> tuple[bool, bool, int]:
    page = slot.worker.page if slot.worker is not None else None
    if page is None:
        return False, False, -slot.number
    return page.busy or page.state is not WorkerState.IDLE, page.waiting, -slot.number
