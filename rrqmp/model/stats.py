"""How many activities a queue holds, and where."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from rrqmp.model.priority import ActivityPriority


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueStats:
    """Counts of one queue at one moment.

    `completed_count` and `failed_count` count ends since the queue was made; a dead letter counts as failed at its
    end and in `dead_letter_count` while it is kept. `scheduled_count` counts what waits for its time, be it the first
    attempt or the next. `by_type` and `by_priority` count what is ready to run.
    """

    pending_count: int = 0
    running_count: int = 0
    scheduled_count: int = 0
    completed_count: int = 0
    failed_count: int = 0
    cancelled_count: int = 0
    dead_letter_count: int = 0
    by_priority: Mapping[ActivityPriority, int] = field(default_factory=dict)
    by_type: Mapping[str, int] = field(default_factory=dict)
