"""The states of an activity and the moves between them."""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class ActivityStatus(StrEnum):
    """Where an activity stands; the value is what the record in Redis holds."""

    SCHEDULED = "scheduled"
    PENDING = "pending"
    RUNNING = "running"
    RETRYING = "retrying"
    COMPLETED = "completed"
    DEAD_LETTER = "dead_letter"
    CANCELLED = "cancelled"

    @property
    def has_ended(self) -> bool:
        """Whether no attempt will follow unless somebody revives the activity."""
        return self in _ENDED


_S = ActivityStatus
_ENDED: Final = frozenset({_S.COMPLETED, _S.DEAD_LETTER, _S.CANCELLED})

# A due scheduled or retrying activity is claimed without a stop in pending: promotion moves the id, not the record.
MOVES: Final[dict[ActivityStatus | None, frozenset[ActivityStatus]]] = {
    None: frozenset({_S.SCHEDULED, _S.PENDING, _S.DEAD_LETTER}),
    _S.SCHEDULED: frozenset({_S.RUNNING, _S.CANCELLED, _S.DEAD_LETTER}),
    _S.PENDING: frozenset({_S.RUNNING, _S.CANCELLED, _S.DEAD_LETTER}),
    _S.RUNNING: frozenset({_S.PENDING, _S.SCHEDULED, _S.RETRYING, _S.COMPLETED, _S.DEAD_LETTER, _S.CANCELLED}),
    _S.RETRYING: frozenset({_S.RUNNING, _S.CANCELLED, _S.DEAD_LETTER}),
    _S.COMPLETED: frozenset(),
    _S.DEAD_LETTER: frozenset({_S.PENDING}),
    _S.CANCELLED: frozenset(),
}


def move(before: ActivityStatus | None, after: ActivityStatus) -> ActivityStatus:
    """Returns `after`; raises `ValueError` where the table has no such move. `None` is before the first state."""
    if after not in MOVES[before]:
        raise ValueError(f"an activity cannot move from {before} to {after}")
    return after
