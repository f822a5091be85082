"""What this node tells of itself for people who look from elsewhere: once a heartbeat, whatever its slots run.

Everything is read from the board in the moment of telling, so an activity costs nothing more for it.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Sequence
from typing import Final

from rrqmp.errors import WorkerError
from rrqmp.kernel import proc
from rrqmp.model.node import NodeDescription, SlotDescription, SlotState, encode_description
from rrqmp.model.progress import WHOLE
from rrqmp.shared_state.board import PROGRESS_NONE, KillReason, Page, Word, WorkerState
from rrqmp.store.aio import AsyncStore
from rrqmp.store.calls.nodes import describe
from rrqmp.store.keys import QueueKeys
from rrqmp.supervisor.background import Background
from rrqmp.supervisor.crew import Crew
from rrqmp.supervisor.log import LOGGER
from rrqmp.supervisor.worker_handle import Slot, Stage, Tenure, WorkerHandle
from rrqmp.version import __version__

_PER_LEASE: Final = 3
# A page is read while its worker writes it: a short activity may begin and end in between.
_LOOKS: Final = 3


class Describer(Background):
    """Publishes to each queue under the node's present boot; what it left ends with the lease."""

    def __init__(self, store: AsyncStore, queues: Sequence[QueueKeys], lease_seconds: float, crew: Crew) -> None:
        self._store = store
        self._queues = queues
        self._lease_seconds = lease_seconds
        self._crew = crew
        self._started_at = time.time()

    async def _run(self) -> None:
        while True:
            try:
                await self._publish()
            except WorkerError:
                # Redis is away, which the heartbeat tells of, or full.
                pass
            except Exception:  # noqa: BLE001 - people who look must not end the node
                LOGGER.exception("the node could not be described")
            await asyncio.sleep(self._lease_seconds / _PER_LEASE)

    async def _publish(self) -> None:
        names = [keys.queue for keys in self._queues]
        body = encode_description(describe_node(self._crew, names, self._started_at))
        for keys in self._queues:
            await self._store.run(describe(keys, self._crew.node, body, round(self._lease_seconds * 1000)))


def describe_node(crew: Crew, queues: Sequence[str], started_at: float) -> NodeDescription:
    """All slots that are open, as the board says it now."""
    return NodeDescription(
        host=os.uname().nodename,
        pid=os.getpid(),
        version=__version__,
        started_at=started_at,
        told_at=time.time(),
        queues=tuple(queues),
        spares=len(crew.roster.spares),
        is_draining=crew.draining,
        slots=tuple(_describe_slot(slot, queues) for slot in crew.slots if slot.tenure is not Tenure.CLOSED),
    )


def _describe_slot(slot: Slot, queues: Sequence[str]) -> SlotDescription:
    handle = slot.worker
    if handle is None:
        return SlotDescription(slot=slot.number, state=SlotState.EMPTY)
    page = handle.page
    for _ in range(_LOOKS):
        seq = page.words[Word.SEQ]
        described = _describe_worker(slot.number, handle, page, queues)
        if page.words[Word.SEQ] == seq:
            return described
    # It runs so many short ones that none of them is worth a name.
    return SlotDescription(slot=slot.number, state=SlotState.BUSY, pid=handle.pid)


def _describe_worker(number: int, handle: WorkerHandle, page: Page, queues: Sequence[str]) -> SlotDescription:
    words, state = page.words, state_of(handle)
    own_bytes = _own_bytes(handle)
    if not page.busy:
        return SlotDescription(slot=number, state=state, pid=handle.pid, own_bytes=own_bytes)
    started_at = words[Word.STARTED_WALL] / 1e9
    told, message = page.read_progress() or (PROGRESS_NONE, b"")
    allowed_ns, queue = words[Word.DEADLINE] - words[Word.STARTED], words[Word.QUEUE]
    return SlotDescription(
        slot=number,
        state=state,
        pid=handle.pid,
        activity_id=page.activity_id().strip(" \0"),
        activity_type=page.activity_type(),
        queue=queues[queue] if queue < len(queues) else "",
        attempt=words[Word.ATTEMPT],
        started_at=started_at,
        deadline_at=started_at + allowed_ns / 1e9 if words[Word.DEADLINE] and allowed_ns > 0 else None,
        own_bytes=own_bytes,
        progress=None if told == PROGRESS_NONE else told / WHOLE,
        progress_text=message.decode(errors="replace"),
    )


def _own_bytes(handle: WorkerHandle) -> int | None:
    base = handle.page.words[Word.BASE_RSS]
    return max(0, proc.resident_bytes(handle.pid) - base) if base and handle.pid else None


def state_of(handle: WorkerHandle) -> SlotState:
    """What a slot with this process does."""
    page = handle.page
    if handle.sentenced or handle.ordered is not KillReason.NONE:
        return SlotState.KILLING
    if handle.stage in (Stage.FORKING, Stage.STARTING) or page.state is WorkerState.RECOVERING:
        return SlotState.STARTING
    if handle.stage is Stage.LEAVING or page.state is WorkerState.LEAVING or page.words[Word.DRAINING]:
        return SlotState.DRAINING
    if not page.busy:
        return SlotState.IDLE
    return SlotState.WAITING if page.waiting else SlotState.BUSY
