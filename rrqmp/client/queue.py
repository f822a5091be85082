"""A queue as an operator sees it: counts, single activities, dead letters, and what may be claimed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rrqmp.client import operations
from rrqmp.client.steps import run_steps
from rrqmp.model.activity import ActivityRecord
from rrqmp.model.stats import QueueStats
from rrqmp.store.keys import QueueKeys
from rrqmp.store.rules import StoreRules
from rrqmp.store.script import Call


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

    def revive(self, *activity_ids: str) -> int:
        """Makes dead letters pending again, at the end of the queue, with all their retries; how many were dead."""
        return run_steps(self._run, operations.revive(self._keys, self._rules, activity_ids))

    def discard(self, *activity_ids: str) -> int:
        """Deletes dead letters for good; how many of the ids were dead."""
        return run_steps(self._run, operations.discard(self._keys, activity_ids))

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
