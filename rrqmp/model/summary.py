"""An activity as a list shows it: one row, without payload, result and history."""

from __future__ import annotations

from dataclasses import dataclass

from rrqmp.model.attempt import Attempt
from rrqmp.model.priority import ActivityPriority
from rrqmp.model.status import ActivityStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class ActivitySummary:
    """One activity in a few words. Times are seconds since 1970, and only those that its status has are set.

    `reason` is as in `ActivityRecord`; `last` is the attempt that a dead letter died of; `node` and `slot` are where a
    running one runs.
    """

    activity_id: str
    activity_type: str
    status: ActivityStatus
    priority: ActivityPriority | None
    attempt: int = 0
    waiting_since: float | None = None
    due_at: float | None = None
    ended_at: float | None = None
    reason: str = ""
    last: Attempt | None = None
    node: str = ""
    slot: int | None = None


@dataclass(frozen=True, slots=True)
class ActivityPage:
    """One page of a list. `cursor` asks for the next one, and is empty after the last."""

    activities: tuple[ActivitySummary, ...]
    cursor: str = ""
