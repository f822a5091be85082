"""A queue as an operator sees it."""

from __future__ import annotations

from rrqmp.client.reach import Reach
from rrqmp.model.stats import QueueStats
from rrqmp.store.calls.stats import stats
from rrqmp.store.keys import QueueKeys


class ActivityQueue:
    """One queue; an executor's `activity_queue`, over the same connections."""

    __slots__ = ("_keys", "_reach")

    def __init__(self, reach: Reach, keys: QueueKeys) -> None:
        self._reach = reach
        self._keys = keys

    @property
    def name(self) -> str:
        """The queue's name."""
        return self._keys.queue

    def get_stats(self) -> QueueStats:
        """The counts of this moment, without a scan."""
        return self._reach.run(stats(self._keys))
