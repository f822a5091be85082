"""Callbacks for activities that failed for good while no process of theirs was there to call `on_dead_letter`.

Lost with their node, or settled by a supervisor because no worker could be: any worker of this node is asked to call,
one activity at a time. Asked again once if it dies of it; forgotten with this supervisor, since no record says that
the callback is owed.
"""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from rrqmp.shared_state import messages
from rrqmp.shared_state.around import CALLBACK_DEATHS_MOST
from rrqmp.shared_state.board import KillReason, Word, WorkerState
from rrqmp.shared_state.messages import CallBack
from rrqmp.store.keys import QueueKeys
from rrqmp.supervisor.crew import Crew
from rrqmp.supervisor.worker_handle import Stage, WorkerHandle


@dataclass(slots=True)
class _Owed:
    message: CallBack
    deaths: int = 0


class OwedCallbacks:
    """Looked after with every look at the board; costs a test where nothing is owed."""

    def __init__(self, crew: Crew, queues: Sequence[QueueKeys]) -> None:
        self._crew = crew
        self._queues = [keys.queue for keys in queues]
        self._waiting: deque[_Owed] = deque()
        self._given: dict[int, _Owed] = {}

    def add(self, queue: str, ids: Sequence[str]) -> None:
        """These have failed for good, or may have: the worker looks before it calls."""
        if queue in self._queues:
            place = self._queues.index(queue)
            self._waiting.extend(_Owed(CallBack(queue=place, activity_id=one)) for one in ids)

    def look(self) -> None:
        """Takes note of what has been called, and hands out what waits."""
        if not self._waiting and not self._given:
            return
        for life, owed in list(self._given.items()):
            handle = self._crew.roster.get(life)
            if handle is None:
                owed.deaths += 1
                if owed.deaths < CALLBACK_DEATHS_MOST:
                    self._waiting.append(owed)
            elif handle.page.words[Word.CALLED_BACK] != handle.page.words[Word.CALLBACKS]:
                continue
            del self._given[life]
        if self._waiting and not self._crew.draining:
            for handle in sorted(filter(self._may_call, self._crew.roster), key=_how_busy)[: len(self._waiting)]:
                self._given[handle.life] = owed = self._waiting.popleft()
                _ask(handle, owed.message)

    def _may_call(self, handle: WorkerHandle) -> bool:
        return (
            handle.slot is not None
            and handle.stage is Stage.READY
            and handle.ordered is KillReason.NONE
            and not handle.page.words[Word.DRAINING]
            and handle.life not in self._given
        )


def _ask(handle: WorkerHandle, message: CallBack) -> None:
    # The word first: who sees it waits for the message, which is there in a moment. The other way round an idle worker
    # could take the message for none.
    handle.page.words[Word.CALLBACKS] += 1
    with contextlib.suppress(OSError):
        # Dead, which the next look sees.
        messages.send(handle.channel, message)


def _how_busy(handle: WorkerHandle) -> tuple[bool, int]:
    """Idle ones first; of the others the one that began last, since it will mostly be free first."""
    return handle.page.state is not WorkerState.IDLE, -handle.page.words[Word.STARTED]
