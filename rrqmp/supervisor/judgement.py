"""Whom a death is charged to: a pure rule over the dead worker's record and the way it died.

The record says what had started. What the slot had claimed beyond that goes back uncounted by the successor's first
call, which is the slot's full statement.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from rrqmp.model.attempt import AttemptKind
from rrqmp.shared_state.board import KillReason, Page, Word, WorkerState

_KINDS: Final = {
    KillReason.TIMED_OUT: AttemptKind.TIMED_OUT,
    KillReason.CANCELLED: AttemptKind.CANCELLED,
    KillReason.OUT_OF_MEMORY: AttemptKind.OUT_OF_MEMORY,
}
# Whatever user code runs in these, it is no activity's.
_NO_ACTIVITY: Final = frozenset(
    {WorkerState.STARTING, WorkerState.SETTING_UP, WorkerState.RECOVERING, WorkerState.LEAVING}
)
# What goes back to the queue as if it had not been started.
_UNCHARGED: Final = frozenset({KillReason.RELEASED, KillReason.FENCED})


@dataclass(frozen=True, slots=True)
class Record:
    """What the page of a dead worker says; copied, since the page may be used again."""

    state: WorkerState
    seq: int
    ended: int
    condemned: int
    reason: KillReason

    @classmethod
    def read(cls, page: Page) -> Record:
        """Copies the words that the judgement needs."""
        words = page.words
        return cls(
            page.state,
            words[Word.SEQ],
            words[Word.ENDED],
            words[Word.CONDEMNED],
            page.reason,
        )


@dataclass(frozen=True, slots=True)
class Charge:
    """An attempt is charged. `after_return`: the handler had returned, and its result was on its way."""

    kind: AttemptKind
    after_return: bool = False


def judge(record: Record, *, memory_kill: bool) -> Charge | None:
    """The charge for the activity that the record names, or `None` where the death costs nobody an attempt.

    `memory_kill`: the kernel killed for memory meanwhile and the process died of SIGKILL that nobody here ordered.
    """
    if record.seq == 0 or record.state in _NO_ACTIVITY:
        return None
    if record.reason in _UNCHARGED:
        # Meant for the process, whatever it runs: it may have begun its next activity since the order.
        return None
    condemned = record.condemned == record.seq
    running = record.seq != record.ended
    if condemned and record.reason in _KINDS and (running or record.state is WorkerState.RUNNING):
        # Still running, or parked: it had ended while it was being condemned, and waited to be let go.
        return Charge(_KINDS[record.reason])
    if running:
        # Not condemned for this very activity: nobody here ordered this death, whatever signal it was.
        return Charge(AttemptKind.OUT_OF_MEMORY if memory_kill else AttemptKind.CRASHED)
    if record.state in (WorkerState.RUNNING, WorkerState.SETTLING):
        # Not only on the way to Redis: also while its outcome was being written down.
        return Charge(AttemptKind.CRASHED, after_return=True)
    return None
