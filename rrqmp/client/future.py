"""The handle on one activity: its id, where it stands, its result. Any number of waits, from any thread."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import timedelta
from queue import Empty, SimpleQueue
from time import monotonic
from typing import Any, Generic, Protocol, cast

from typing_extensions import TypeVar

from rrqmp.client.ending import Ended, error_of, value_of
from rrqmp.errors import ActivityNotFound, ResultExpired, ResultTimeout, StoreUnavailable
from rrqmp.model.activity import ActivityRecord
from rrqmp.model.codec import Codec
from rrqmp.model.status import ActivityStatus
from rrqmp.model.units import check_seconds
from rrqmp.store.calls.show import show
from rrqmp.store.calls.watch import watch
from rrqmp.store.keys import QueueKeys
from rrqmp.store.script import Call

R_co = TypeVar("R_co", covariant=True, default=Any)
R = TypeVar("R")


class Asked(Protocol):
    """What a future needs of the side that made it."""

    def run(self, call: Call[R]) -> R:
        """Runs a script call."""
        ...

    def expect(self, futures: Iterable[ActivityFuture[Any]], sink: SimpleQueue[ActivityFuture[Any]]) -> None:
        """Puts each future into the sink once its activity has ended, at once if it has."""

    def forget(self, futures: Iterable[ActivityFuture[Any]], sink: SimpleQueue[ActivityFuture[Any]]) -> None:
        """Puts nothing more into the sink."""


class ActivityFuture(Generic[R_co]):
    """One accepted activity. `index` is its place in the batch it came from; `is_new` is false where a key was taken.

    Equal to no other future, also not to one of the same activity.
    """

    __slots__ = ("__weakref__", "_asked", "_ended", "_epoch", "_results", "_sinks", "activity_id", "activity_type",
                 "index", "is_new", "keys")  # fmt: skip

    def __init__(
        self, asked: Asked, keys: QueueKeys, activity_id: str, activity_type: str, results: Codec[Any], *, is_new: bool
    ) -> None:
        self._asked = asked
        self._results = results
        self._ended: Ended | None = None
        # The connection over which its end is told without asking; written by the one who listens.
        self._epoch: object = None
        self._sinks: tuple[SimpleQueue[ActivityFuture[Any]], ...] = ()
        self.keys = keys
        self.activity_id = activity_id
        self.activity_type = activity_type
        self.index = 0
        self.is_new = is_new

    def get_result(self, timeout: float | timedelta | None = None) -> R_co:
        """Blocks until the activity has ended and returns its result, which may be `None`.

        Raises `ResultTimeout` after `timeout` (the activity goes on), an `ActivityUnsuccessful` where there is no
        result, `ResultExpired` or `ActivityNotFound` where there is no record.
        """
        if self._ended is None:
            seconds = None if timeout is None else check_seconds(timeout, "timeout", least=0.0)
            if not any(True for _ in completed_of((self,), seconds)):
                raise ResultTimeout(
                    f"{self.activity_type} {self.activity_id} had not ended after {seconds:g} s; it goes on: "
                    "ask again with get_result()"
                )
        return cast(R_co, self._value())

    def status(self) -> ActivityStatus:
        """Asks where the activity stands now."""
        return self.record().status

    def record(self) -> ActivityRecord:
        """Asks for all that is kept of the activity: its attempts, its options, its times."""
        record = self._asked.run(show(self.keys, self.activity_id))
        if record is None:
            raise self._gone()
        return record

    def __repr__(self) -> str:
        return f"<ActivityFuture {self.activity_type} {self.activity_id}>"

    def _value(self) -> Any:
        ended = self._ended
        if ended is not None and ended.out is None:
            # Too large for a notice.
            reply = self._asked.run(watch(self.keys, (self.activity_id,)))[0]
            ended = Ended(reply.status, reply.out)
        if ended is None or ended.status is None:
            raise self._gone()
        out = ended.out or b""
        if ended.status is ActivityStatus.COMPLETED:
            return value_of(out, self._results, self.activity_id)
        record = self._asked.run(show(self.keys, self.activity_id))
        raise error_of(ended.status, out, self.activity_id, self.activity_type, record)

    def _gone(self) -> ActivityNotFound | ResultExpired:
        if self.is_new:
            return ResultExpired(
                f"{self.activity_type} {self.activity_id} has ended and its record's time to live is over; "
                "fetch results earlier or raise result_ttl"
            )
        return ActivityNotFound(
            f"queue {self.keys.queue!r} has no activity {self.activity_id}: it never had one, or its time is over"
        )


def completed_of(
    futures: Iterable[ActivityFuture[R_co]], timeout_seconds: float | None
) -> Iterator[ActivityFuture[R_co]]:
    """Yields each future when its activity has ended, in that order; ends early after the time."""
    asked_of: dict[int, tuple[Asked, list[ActivityFuture[R_co]]]] = {}
    for future in futures:
        asked_of.setdefault(id(future._asked), (future._asked, []))[1].append(future)
    sink: SimpleQueue[ActivityFuture[R_co]] = SimpleQueue()
    deadline = None if timeout_seconds is None else monotonic() + timeout_seconds
    try:
        for asked, group in asked_of.values():
            asked.expect(group, sink)
        for _ in range(sum(len(group) for _, group in asked_of.values())):
            left = None if deadline is None else max(0.0, deadline - monotonic())
            try:
                future = sink.get(timeout=left)
            except Empty:
                return
            if future._ended is None:
                raise StoreUnavailable("the executor was closed while somebody waited for a result; ask a new one")
            yield future
    finally:
        for asked, group in asked_of.values():
            asked.forget(group, sink)
