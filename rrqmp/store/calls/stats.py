"""How many activities a queue holds, without a scan."""

from __future__ import annotations

from collections import Counter
from typing import Any

from rrqmp.model.priority import ActivityPriority
from rrqmp.model.stats import QueueStats
from rrqmp.store.keys import QueueKeys
from rrqmp.store.script import Call, load_script

_BETWEEN = "\x1f"


def stats(keys: QueueKeys) -> Call[QueueStats]:
    """The counts of this moment."""
    return Call(load_script("stats"), keys.script_keys, (), _read)


def _read(reply: Any) -> QueueStats:
    counts, active, scheduled, dead = reply
    by_type: Counter[str] = Counter()
    by_priority: Counter[ActivityPriority] = Counter()
    ended: Counter[str] = Counter()
    for field, text in zip(counts[::2], counts[1::2], strict=True):
        activity_type, _, last = field.decode().rpartition(_BETWEEN)
        number = int(text)
        # A type is never empty; the totals by outcome stand where a type's name would.
        if not activity_type:
            ended[last] += number
        else:
            by_type[activity_type] += number
            by_priority[ActivityPriority(int(last))] += number
    return QueueStats(
        pending_count=max(0, by_type.total()),
        running_count=max(0, sum(map(int, active[1::2]))),
        scheduled_count=scheduled,
        completed_count=ended["completed"],
        failed_count=ended["dead_letter"],
        cancelled_count=ended["cancelled"],
        dead_letter_count=dead,
        # A stranger who deleted records may have left a level below zero; the sum over the levels is right.
        by_priority={level: max(0, number) for level, number in by_priority.items()},
        by_type={name: max(0, number) for name, number in by_type.items()},
    )
