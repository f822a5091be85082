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
from rrqmp.store.calls.cycle import Claim
from rrqmp.store.calls.show import show
from rrqmp.worker.running import Runner

_ERRORS: Final[dict[AttemptKind, type[ActivityUnsuccessful]]] = {
    AttemptKind.TIMED_OUT: ActivityTimedOut,
    AttemptKind.OUT_OF_MEMORY: ActivityOutOfMemory,
    AttemptKind.CANCELLED: ActivityCancelled,
    AttemptKind.CRASHED: ActivityCrashed,
    AttemptKind.LOST: ActivityCrashed,
}


def call_back(claim: Claim, queue: int, runner: Runner) -> None:
    """Calls `on_dead_letter` after a failure that the handler survived, if the activity really ended so."""
    stored = runner.source.connection.run(show(runner.source.keys[queue], claim.activity_id))
    # One that was cancelled meanwhile has ended as that, whatever its handler raised.
    if stored is not None and stored.attempts and stored.status is ActivityStatus.DEAD_LETTER:
        failure = stored.attempts[-1]
        error = error_of(failure.kind, f"{failure.error}: {failure.message}", stored)
        runner.dead_letter(stored, queue, error)


def error_of(kind: AttemptKind, message: str, record: ActivityRecord) -> ActivityUnsuccessful:
    """What `on_dead_letter` is given: what a waiter would get, with the last attempt and all that are kept."""
    last = record.attempts[-1] if record.attempts else None
    return _ERRORS.get(kind, ActivityFailed)(message, last, record.attempts)
