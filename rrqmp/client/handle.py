"""What a future is, without saying how it waits: an id, and the steps by which a client asks about it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Generic

import msgspec
from typing_extensions import TypeVar

from rrqmp.client.cancelling import Grace, cancelling
from rrqmp.client.ending import Ended, error_of, not_found, value_of
from rrqmp.errors import ActivityNotFound, ResultError, ResultExpired, ResultTimeout
from rrqmp.model.codec import Codec
from rrqmp.model.progress import Progress, decode_progress
from rrqmp.model.status import ActivityStatus
from rrqmp.store.calls.show import show
from rrqmp.store.calls.watch import watch
from rrqmp.store.keys import QueueKeys

if TYPE_CHECKING:
    from rrqmp.client.steps import Steps
    from rrqmp.model.activity import ActivityRecord

R_co = TypeVar("R_co", covariant=True, default=Any)


class ActivityHandle(Generic[R_co]):
    """One accepted activity. `index` is its place in the batch it came from; `is_new` is false where a key was taken.

    Equal to no other, also not to one of the same activity. Once its end is known it stays known: somebody who revives
    the dead letter of it starts what only a new future sees.
    """

    __slots__ = ("__weakref__", "_asked", "_ended", "_epoch", "_results", "_sinks", "activity_id", "activity_type",
                 "index", "is_new", "keys")  # fmt: skip

    def __init__(
        self, asked: Any, keys: QueueKeys, activity_id: str, activity_type: str, results: Codec[Any], *, is_new: bool
    ) -> None:
        # The side that made it, of the kind that the subclass names; set here, since one is made for every submission.
        self._asked = asked
        self._results = results
        self._ended: Ended | None = None
        # The connection over which its end is told without asking; written by the one who listens.
        self._epoch: object = None
        self._sinks: tuple[Callable[[Any], None], ...] = ()
        self.keys = keys
        self.activity_id = activity_id
        self.activity_type = activity_type
        self.index = 0
        self.is_new = is_new

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.activity_type} {self.activity_id}>"

    def _asked_record(self) -> Steps[ActivityRecord]:
        record = yield show(self.keys, self.activity_id)
        if record is None:
            raise self._gone()
        found: ActivityRecord = record
        return found

    def _asked_progress(self) -> Steps[Progress | None]:
        record = yield from self._asked_record()
        if not record.progress:
            return None
        try:
            return decode_progress(record.progress)
        except msgspec.MsgspecError as error:
            raise ResultError(
                f"the progress of {self.activity_id} holds foreign bytes ({error}); see: rrqmp show"
            ) from error

    def _asked_done(self) -> Steps[bool]:
        if self._ended is None:
            [reply] = yield watch(self.keys, (self.activity_id,))
            if reply.status is None and not self.is_new:
                raise self._gone()
            if reply.status is not None and not reply.status.has_ended:
                return False
            self._ended = Ended(reply.status, reply.out)
        return True

    def _cancelling(self, grace: Grace, *, children: bool) -> Steps[bool]:
        cancelled = yield from cancelling(self.keys, self.activity_id, grace, children=children)
        if cancelled is None and not self.is_new:
            raise self._gone()
        # A record of our own that is gone has ended.
        return bool(cancelled)

    def _value(self) -> Steps[Any]:
        """The result, or the error that stands for it, of one whose end is known."""
        ended = self._ended
        if ended is not None and ended.status is not None and ended.out is None:
            # Too large for a notice.
            [reply] = yield watch(self.keys, (self.activity_id,))
            # A dead letter may have been revived meanwhile; this future's end was before.
            revived = reply.status is not None and not reply.status.has_ended
            ended = Ended(ended.status if revived else reply.status, reply.out)
        if ended is None or ended.status is None:
            raise self._gone()
        out = ended.out or b""
        if ended.status is ActivityStatus.COMPLETED:
            return value_of(out, self._results, self.activity_id)
        record = yield show(self.keys, self.activity_id)
        raise error_of(ended.status, out, self.activity_id, self.activity_type, record)

    def _still_running(self, seconds: float | None) -> ResultTimeout:
        return ResultTimeout(
            f"{self.activity_type} {self.activity_id} had not ended after {seconds:g} s; it goes on: "
            "ask again with get_result()"
        )

    def _gone(self) -> ActivityNotFound | ResultExpired:
        if self.is_new:
            return ResultExpired(
                f"{self.activity_type} {self.activity_id} has ended and its record's time to live is over; "
                "fetch results earlier or raise result_ttl"
            )
        return not_found(self.keys, self.activity_id)
