"""Cancelling what runs: the token flips at once, the kill ladder follows after the grace, and nobody else is hit.

An order names an activity and the token of its attempt, and with it the slot, the process and the call that claimed it:
what any of these has moved on from is over, and its cancel comes too late. Orders come as messages, which are
heard at once, and again with every heartbeat, so that none is lost with a connection.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from rrqmp.kernel import proc
from rrqmp.kernel.pidfd import send_signal
from rrqmp.kernel.signals import SOFT_LIMIT
from rrqmp.shared_state.board import KillReason, Page, Word, WorkerState
from rrqmp.store.calls.cancel import CancelOrder
from rrqmp.supervisor.crew import Crew
from rrqmp.supervisor.ladder import Ladder
from rrqmp.supervisor.worker_handle import WorkerHandle

# What has been claimed and is about to start is looked for so often, and after so long left to the next heartbeat.
_LOOK_AGAIN_SECONDS: Final = 0.003
_GIVE_UP_SECONDS: Final = 1.0
_NUDGE_AGAIN_SECONDS: Final = 0.03
# From the moment that the number of activities rises; the state follows a moment later.
_RUNS: Final = (WorkerState.RUNNING, WorkerState.CLAIMING)
_BEFORE: Final = (WorkerState.CLAIMING, WorkerState.SETTING_UP)
_TOKEN: Final = re.compile(r"(.*)/(\d{1,9})\.(\d{1,18})\.(\d{1,18})", re.DOTALL)


class Standing(Enum):
    """Where the attempt that an order names stands on this node."""

    COMING = auto()  # claimed, or on its way here, and not started
    RUNNING = auto()
    BROKEN = auto()  # its process is dead; whoever settles that settles it as cancelled
    OVER = auto()


@dataclass(frozen=True, slots=True)
class _Coming:
    order: CancelOrder
    until: float


class Cancels:
    """Orders that this node was given and that have not come true yet."""

    def __init__(self, crew: Crew, ladder: Ladder, grace_seconds: float) -> None:
        self._crew = crew
        self._ladder = ladder
        self._grace_seconds = grace_seconds
        self._coming: dict[str, _Coming] = {}
        self._next_look: asyncio.TimerHandle | None = None
        # By process and activity, which names one attempt for as long as this supervisor lives.
        self._kills: dict[tuple[int, int], tuple[WorkerHandle, asyncio.TimerHandle]] = {}

    def hear(self, activity_id: str, order: CancelOrder) -> None:
        """A message: done now, or as soon as the activity starts here."""
        if self._carry_out(activity_id, order) is Standing.COMING:
            until = asyncio.get_running_loop().time() + _GIVE_UP_SECONDS
            self._coming[activity_id] = _Coming(order, until)
            self._look_later()

    def heartbeat(self, orders: Mapping[str, CancelOrder]) -> Collection[str]:
        """All orders that Redis holds for this node; the ids of those that are of no use any more."""
        for life, seq in [key for key, (handle, _) in self._kills.items() if not _runs(handle.page, key[1])]:
            self._kills.pop((life, seq))[1].cancel()
        over: list[str] = []
        for activity_id, order in orders.items():
            standing = self._carry_out(activity_id, order)
            if standing is Standing.OVER:
                over.append(activity_id)
            elif standing is Standing.COMING:
                self.hear(activity_id, order)
        return over

    def _carry_out(self, activity_id: str, order: CancelOrder) -> Standing:
        standing, handle, seq = find(self._crew, activity_id, order.token)
        if standing is Standing.RUNNING and handle is not None:
            self._order(handle, seq, self._grace_seconds if order.grace_ms is None else order.grace_ms / 1000)
        return standing

    def _order(self, handle: WorkerHandle, seq: int, grace_seconds: float) -> None:
        if handle.ordered is not KillReason.NONE:
            return
        words = handle.page.words
        words[Word.CANCEL] = seq
        if grace_seconds <= 0:
            self._kill(handle, seq)
            return
        loop = asyncio.get_running_loop()
        kill_at = loop.time() + grace_seconds
        known = self._kills.get((handle.life, seq))
        # A second order may shorten the grace. The first one's, which every heartbeat repeats, must not lengthen it.
        if known is None or kill_at < known[1].when():
            if known is not None:
                known[1].cancel()
            self._kills[handle.life, seq] = handle, loop.call_at(kill_at, self._kill, handle, seq)
        _nudge(handle, seq)
        # Once more, and with every heartbeat: a signal that comes before the handler's first line is heard by nobody.
        loop.call_later(_NUDGE_AGAIN_SECONDS, _nudge, handle, seq)

    def _kill(self, handle: WorkerHandle, seq: int) -> None:
        known = self._kills.pop((handle.life, seq), None)
        if known is not None:
            known[1].cancel()
        # Once it is dead its page may be another's. Whether this activity still runs is looked at as it is condemned.
        is_free = handle.is_alive and handle.ordered is KillReason.NONE
        if is_free and self._ladder.condemn(handle, seq, KillReason.CANCELLED):
            self._ladder.strike(handle)

    def _look_later(self) -> None:
        if self._next_look is None:
            self._next_look = asyncio.get_running_loop().call_later(_LOOK_AGAIN_SECONDS, self._look_again)

    def _look_again(self) -> None:
        self._next_look = None
        now = asyncio.get_running_loop().time()
        for activity_id, coming in list(self._coming.items()):
            if self._carry_out(activity_id, coming.order) is not Standing.COMING or now > coming.until:
                del self._coming[activity_id]
        if self._coming:
            self._look_later()


def find(crew: Crew, activity_id: str, token: str) -> tuple[Standing, WorkerHandle | None, int]:
    """Where this attempt stands; with the process and the number of the activity in it if it runs."""
    parts = _TOKEN.fullmatch(token)
    if parts is None or parts[1] != crew.node or int(parts[2]) >= len(crew.slots):
        return Standing.OVER, None, 0
    slot, inc, claim_seq = crew.slots[int(parts[2])], int(parts[3]), int(parts[4])
    pending = slot.pending
    if pending is not None and pending.report.broken is not None and pending.report.broken.activity_id == activity_id:
        return Standing.BROKEN, None, 0
    if inc != slot.inc:
        return Standing.OVER, None, 0
    handle = slot.worker
    if handle is None:
        # Its successor's first call gives back what it held, and a cancelled one ends by that.
        return Standing.BROKEN, None, 0
    standing, seq = _look(handle.page, activity_id, claim_seq)
    return standing, handle, seq


def _look(page: Page, activity_id: str, claim_seq: int) -> tuple[Standing, int]:
    words = page.words
    if words[Word.CLAIM_SEQ] != claim_seq:
        # An older call: the claim's answer is on its way to the worker.
        return Standing.COMING if words[Word.CLAIM_SEQ] < claim_seq else Standing.OVER, 0
    seq = words[Word.SEQ]
    state = page.state
    busy = seq != words[Word.ENDED]
    is_named = page.activity_id().strip() == activity_id
    if words[Word.SEQ] != seq or words[Word.CLAIM_SEQ] != claim_seq:
        # It has moved on during the look.
        return Standing.COMING, 0
    if is_named and busy:
        # Under the same name run the setup before it, and a callback after its end.
        if state in _RUNS:
            return Standing.RUNNING, seq
        return (Standing.COMING if state is WorkerState.SETTING_UP else Standing.OVER), 0
    batch, position = page.batch()
    if activity_id not in batch:
        return Standing.OVER, 0
    place = batch.index(activity_id)
    if place > position or (place == position and (not is_named or state in _BEFORE)):
        return Standing.COMING, 0
    return Standing.OVER, 0


def _runs(page: Page, seq: int) -> bool:
    return page.words[Word.SEQ] == seq != page.words[Word.ENDED]


def _nudge(handle: WorkerHandle, seq: int) -> None:
    """Lets an `async def` handler hear of it as any task does; a plain one asks its token, and the signal does nothing.

    Only where the worker listens: the signal's own way would be to end the process.
    """
    if not handle.is_alive or not _runs(handle.page, seq):
        return
    state = proc.signal_state(handle.pid)
    if state is not None and state.would_catch(SOFT_LIMIT):
        send_signal(handle.pidfd, SOFT_LIMIT)
