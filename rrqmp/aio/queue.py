"""A queue as an operator sees it, on a loop: the same operations as the blocking one's, awaited."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from typing import Any

from typing_extensions import Unpack

from rrqmp.client import dead_letters, listing, operations
from rrqmp.client.cancelling import cancelling_known
from rrqmp.client.dead_letters import DeadLetterFilter, OnProgress, search
from rrqmp.client.queue import DEFAULT_ROWS
from rrqmp.client.steps import run_steps_async
from rrqmp.model.activity import ActivityRecord
from rrqmp.model.gates import QueueGates
from rrqmp.model.node import NodeView
from rrqmp.model.stats import QueueStats
from rrqmp.model.status import ActivityStatus
from rrqmp.model.summary import ActivityPage, ActivitySummary
from rrqmp.store.keys import QueueKeys
from rrqmp.store.rules import StoreRules
from rrqmp.store.script import Call


class ActivityQueue:
    """One queue; an executor's `activity_queue`, over the same connections. A method does what its namesake does."""

    __slots__ = ("_keys", "_rules", "_run")

    def __init__(self, run: Callable[[Call[Any]], Awaitable[Any]], keys: QueueKeys, rules: StoreRules) -> None:
        self._run = run
        self._keys = keys
        self._rules = rules

    @property
    def name(self) -> str:
        """The queue's name."""
        return self._keys.queue

    async def get_stats(self) -> QueueStats:
        """The counts of this moment, without a scan."""
        return await run_steps_async(self._run, operations.get_stats(self._keys))

    async def get(self, activity_id: str) -> ActivityRecord:
        """One activity with its attempts' history; raises `ActivityNotFound`."""
        return await run_steps_async(self._run, operations.get(self._keys, activity_id))

    async def children(self, activity_id: str) -> tuple[str, ...]:
        """Ids of what an activity has submitted to this queue, in order, as far as their records are kept."""
        return await run_steps_async(self._run, operations.children(self._keys, activity_id))

    async def list_activities(
        self,
        status: ActivityStatus | str,
        *,
        activity_type: str | None = None,
        limit: int = DEFAULT_ROWS,
        cursor: str = "",
    ) -> ActivityPage:
        """One page of the activities that have this status, in the order of the blocking one's."""
        steps = listing.list_activities(self._keys, self._rules, status, activity_type, limit, cursor)
        return await run_steps_async(self._run, steps)

    async def iter_activities(
        self, status: ActivityStatus | str, *, activity_type: str | None = None
    ) -> AsyncIterator[ActivitySummary]:
        """All that have this status, a page at a time."""
        cursor: str | None = ""
        while cursor is not None:
            page = await self.list_activities(
                status, activity_type=activity_type, limit=listing.MOST_ROWS, cursor=cursor
            )
            for row in page.activities:
                yield row
            cursor = page.cursor or None

    async def list_dead_letters(
        self, *, limit: int = DEFAULT_ROWS, cursor: str = "", **wanted: Unpack[DeadLetterFilter]
    ) -> ActivityPage:
        """One page of the dead letters that fit, the newest first; see `DeadLetterFilter` for what may be asked."""
        return await run_steps_async(self._run, dead_letters.list_dead(self._keys, search(wanted), limit, cursor))

    async def revive(self, *activity_ids: str) -> int:
        """Makes dead letters pending again, at the end of the queue, with all their retries; how many were dead."""
        return await run_steps_async(self._run, operations.revive(self._keys, self._rules, activity_ids))

    async def revive_all(self, *, on_progress: OnProgress | None = None, **wanted: Unpack[DeadLetterFilter]) -> int:
        """Revives the dead letters that fit, all where nothing is said; how many. Other tasks go on meanwhile."""
        steps = dead_letters.revive_all(self._keys, self._rules, search(wanted), on_progress)
        return await run_steps_async(self._run, steps)

    async def discard(self, *activity_ids: str) -> int:
        """Deletes dead letters for good; how many of the ids were dead."""
        return await run_steps_async(self._run, operations.discard(self._keys, activity_ids))

    async def discard_all(self, *, on_progress: OnProgress | None = None, **wanted: Unpack[DeadLetterFilter]) -> int:
        """Deletes for good the dead letters that fit, all where nothing is said; how many. As `revive_all`."""
        return await run_steps_async(self._run, dead_letters.discard_all(self._keys, search(wanted), on_progress))

    async def cancel(self, activity_id: str, grace: float | timedelta | None = None, *, children: bool = False) -> bool:
        """Ends a waiting activity, asks for the end of a running one; false if it has ended otherwise."""
        steps = cancelling_known(self._keys, activity_id, grace, children=children)
        return await run_steps_async(self._run, steps)

    async def gates(self) -> QueueGates:
        """What is paused and limited, and how much of each type runs."""
        return await run_steps_async(self._run, operations.get_gates(self._keys))

    async def workers(self) -> tuple[NodeView, ...]:
        """The nodes that serve this queue, with what each slot did at the node's last heartbeat."""
        return await run_steps_async(self._run, operations.workers(self._keys))

    async def pause(self, activity_type: str | None = None) -> None:
        """Nothing of the type is claimed any more, in the whole fleet; of the whole queue where none is named."""
        await run_steps_async(self._run, operations.pause(self._keys, activity_type))

    async def resume(self, activity_type: str | None = None) -> None:
        """Takes the pause back and wakes workers."""
        await run_steps_async(self._run, operations.resume(self._keys, activity_type))

    async def limit(self, activity_type: str, most: int | None) -> None:
        """At most `most` of the type run at once in the whole fleet; `None` takes the limit away."""
        await run_steps_async(self._run, operations.limit(self._keys, activity_type, most))

    def __repr__(self) -> str:
        return f"<ActivityQueue {self.name!r}>"
