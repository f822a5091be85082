"""A queue as an operator sees it: counts, single activities, dead letters, and what may be claimed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any, Final

from typing_extensions import Unpack

from rrqmp.client import dead_letters, listing, operations
from rrqmp.client.cancelling import cancelling_known
from rrqmp.client.dead_letters import DeadLetterFilter, OnProgress, search
from rrqmp.client.steps import run_steps
from rrqmp.model.activity import ActivityRecord
from rrqmp.model.gates import QueueGates
from rrqmp.model.node import NodeView
from rrqmp.model.stats import QueueStats
from rrqmp.model.status import ActivityStatus
from rrqmp.model.summary import ActivityPage, ActivitySummary
from rrqmp.store.keys import QueueKeys
from rrqmp.store.rules import StoreRules
from rrqmp.store.script import Call

DEFAULT_ROWS: Final = 50


class ActivityQueue:
    """One queue; an executor's `activity_queue`, over the same connections. Thread-safe."""

    __slots__ = ("_keys", "_rules", "_run")

    def __init__(self, run: Callable[[Call[Any]], Any], keys: QueueKeys, rules: StoreRules) -> None:
        self._run = run
        self._keys = keys
        self._rules = rules

    @property
    def name(self) -> str:
        """The queue's name."""
        return self._keys.queue

    def get_stats(self) -> QueueStats:
        """The counts of this moment, without a scan."""
        return run_steps(self._run, operations.get_stats(self._keys))

    def get(self, activity_id: str) -> ActivityRecord:
        """One activity with its attempts' history; raises `ActivityNotFound`."""
        return run_steps(self._run, operations.get(self._keys, activity_id))

    def children(self, activity_id: str) -> tuple[str, ...]:
        """Ids of what an activity has submitted to this queue, in order, as far as their records are kept."""
        return run_steps(self._run, operations.children(self._keys, activity_id))

    def list_activities(
        self,
        status: ActivityStatus | str,
        *,
        activity_type: str | None = None,
        limit: int = DEFAULT_ROWS,
        cursor: str = "",
    ) -> ActivityPage:
        """One page of the activities that have this status; `cursor` is that of the page before.

        Pending ones come type by type, each type in its order of running; scheduled and retrying ones by due time;
        running ones by node and slot; what has ended the newest first (completed and cancelled ones by the time when
        their record lapses).
        """
        steps = listing.list_activities(self._keys, self._rules, status, activity_type, limit, cursor)
        return run_steps(self._run, steps)

    def iter_activities(
        self, status: ActivityStatus | str, *, activity_type: str | None = None
    ) -> Iterator[ActivitySummary]:
        """All that have this status, in the order of `list_activities`, a page at a time."""
        cursor: str | None = ""
        while cursor is not None:
            page = self.list_activities(status, activity_type=activity_type, limit=listing.MOST_ROWS, cursor=cursor)
            yield from page.activities
            cursor = page.cursor or None

    def list_dead_letters(
        self, *, limit: int = DEFAULT_ROWS, cursor: str = "", **wanted: Unpack[DeadLetterFilter]
    ) -> ActivityPage:
        """One page of the dead letters that fit, the newest first; see `DeadLetterFilter` for what may be asked."""
        return run_steps(self._run, dead_letters.list_dead(self._keys, search(wanted), limit, cursor))

    def revive(self, *activity_ids: str) -> int:
        """Makes dead letters pending again, at the end of the queue, with all their retries; how many were dead."""
        return run_steps(self._run, operations.revive(self._keys, self._rules, activity_ids))

    def revive_all(self, *, on_progress: OnProgress | None = None, **wanted: Unpack[DeadLetterFilter]) -> int:
        """Revives the dead letters that fit, all where nothing is said; how many.

        Only those that are dead when it begins: what dies again meanwhile is left. `on_progress` gets how many have
        been looked at, and how many there are.
        """
        return run_steps(self._run, dead_letters.revive_all(self._keys, self._rules, search(wanted), on_progress))

    def discard(self, *activity_ids: str) -> int:
        """Deletes dead letters for good; how many of the ids were dead."""
        return run_steps(self._run, operations.discard(self._keys, activity_ids))

    def discard_all(self, *, on_progress: OnProgress | None = None, **wanted: Unpack[DeadLetterFilter]) -> int:
        """Deletes for good the dead letters that fit, all where nothing is said; how many. As `revive_all`."""
        return run_steps(self._run, dead_letters.discard_all(self._keys, search(wanted), on_progress))

    def cancel(self, activity_id: str, grace: float | timedelta | None = None, *, children: bool = False) -> bool:
        """Ends a waiting activity, asks for the end of a running one; false if it has ended otherwise.

        A running one is told at once and killed after `grace`, or after what its node's settings say; this does not
        wait for it. `children` means also what it has started. Raises `ActivityNotFound`.
        """
        return run_steps(self._run, cancelling_known(self._keys, activity_id, grace, children=children))

    def gates(self) -> QueueGates:
        """What is paused and limited, and how much of each type runs."""
        return run_steps(self._run, operations.get_gates(self._keys))

    def workers(self) -> tuple[NodeView, ...]:
        """The nodes that serve this queue, with what each slot did at the node's last heartbeat."""
        return run_steps(self._run, operations.workers(self._keys))

    def pause(self, activity_type: str | None = None) -> None:
        """Nothing of the type is claimed any more, in the whole fleet; of the whole queue where none is named.

        What runs goes on; what is submitted waits.
        """
        run_steps(self._run, operations.pause(self._keys, activity_type))

    def resume(self, activity_type: str | None = None) -> None:
        """Takes the pause back and wakes workers. A type that was paused by name stays so until it is named."""
        run_steps(self._run, operations.resume(self._keys, activity_type))

    def limit(self, activity_type: str, most: int | None) -> None:
        """At most `most` of the type run at once in the whole fleet; `None` takes the limit away."""
        run_steps(self._run, operations.limit(self._keys, activity_type, most))

    def __repr__(self) -> str:
        return f"<ActivityQueue {self.name!r}>"
