"""Telling a handler that an activity of its type has failed for good, once that is settled."""

from __future__ import annotations

from typing import Final

from rrqmp.errors import (
    ActivityCancelled,
    ActivityCrashed,
    ActivityFailed,
    ActivityOutOfMemory,
    ActivityTimedOut,
    ActivityUnsuccessful,
)
from rrqmp.model.activity import ActivityRecord
from rrqmp.model.attempt import AttemptKind
from rrqmp.model.status import ActivityStatus
from rrqmp.store.calls.show import show
from rrqmp.worker.running import Runner

_ERRORS: Final[dict[AttemptKind, type[ActivityUnsuccessful]]] = {
    AttemptKind.TIMED_OUT: ActivityTimedOut,
    AttemptKind.OUT_OF_MEMORY: ActivityOutOfMemory,
    AttemptKind.CANCELLED: ActivityCancelled,
    AttemptKind.CRASHED: ActivityCrashed,
    AttemptKind.LOST: ActivityCrashed,
}


def call_back(activity_id: str, queue: int, runner: Runner) -> None:
    """Calls `on_dead_letter` of an activity if it has one, and if the activity really ended so."""
    stored = runner.source.connection.run(show(runner.source.keys[queue], activity_id))
    # One that was cancelled meanwhile has ended as that, whatever its handler raised.
    if stored is None or not stored.attempts or stored.status is not ActivityStatus.DEAD_LETTER:
        return
    if runner.wants_dead_letter(stored.activity_type):
        failure = stored.attempts[-1]
        words = f"{failure.error}: {failure.message}" if failure.error else failure.message or failure.kind.value
        runner.dead_letter(stored, queue, error_of(failure.kind, words, stored))


def error_of(kind: AttemptKind, message: str, record: ActivityRecord) -> ActivityUnsuccessful:
    """What `on_dead_letter` is given: what a waiter would get, with the last attempt and all that are kept."""
    last = record.attempts[-1] if record.attempts else None
    return _ERRORS.get(kind, ActivityFailed)(message, last, record.attempts)
