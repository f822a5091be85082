"""The blocking producer: checks, sends, hands out futures. Thread-safe; a fork gets its own connections."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import timedelta
from types import TracebackType
from typing import Any, Self, overload

from typing_extensions import TypeVar, Unpack

from rrqmp.client.batch import Batch
from rrqmp.client.builder import ActivityBuilder
from rrqmp.client.cancelling import cancelling_children, cancelling_known
from rrqmp.client.future import ActivityFuture
from rrqmp.client.preparation import Prepared
from rrqmp.client.queue import ActivityQueue
from rrqmp.client.reach import Reach
from rrqmp.client.steps import run_steps
from rrqmp.client.submitter import (
    DEFAULT_QUEUE,
    DEFAULT_URL,
    ConnectOptions,
    Desk,
    Submitter,
    desk_of,
    redis_config_of,
    resend_seconds_of,
)
from rrqmp.client.targets import Resolved, Target
from rrqmp.model.options import BulkOptions, Options

P = TypeVar("P", default=Any)
R = TypeVar("R", default=Any)


class ActivityExecutor(Submitter[ActivityFuture[Any]]):
    """Submits activities to one queue. Made by `connect`, by an engine or, inside a handler, by its context."""

    def __init__(self, reach: Reach, desk: Desk, *, is_view: bool = False) -> None:
        super().__init__(reach, desk)
        self._reach = reach
        self._is_view = is_view

    @classmethod
    def connect(cls, url: str = DEFAULT_URL, queue: str = DEFAULT_QUEUE, **options: Unpack[ConnectOptions]) -> Self:
        """An executor for producers without handlers. No I/O before the first submission.

        `prefix` and `priority_aging` (`None` is strict order) must be those of the workers' settings. While Redis is
        away a call is sent again for `resend_seconds`.
        """
        desk = desk_of(queue, options)
        config = redis_config_of(options)
        return cls(Reach(url, config, resend_seconds=resend_seconds_of(options)), desk)

    @property
    def activity_queue(self) -> ActivityQueue:
        """The queue as an operator sees it."""
        return ActivityQueue(self._reach.run, self._keys, self._rules)

    @overload
    def execute(self, activity: Target[P, R], payload: P, /, **options: Unpack[Options]) -> ActivityFuture[R]: ...

    @overload
    def execute(self, activity: str, payload: Any = None, /, **options: Unpack[Options]) -> ActivityFuture[Any]: ...

    def execute(self, activity: object, payload: object = None, /, **options: Unpack[Options]) -> ActivityFuture[Any]:
        """Submits one activity, accepted when this returns; sends again with the same id while Redis is away.

        Raises `ConfigurationError` (a wrong option or name), `InvalidPayload`, `DuplicateActivity`, `QueueFull` or
        `StoreUnavailable`.
        """
        return self.send(self._preparer.one(activity, payload, options, self._reach.reply_for(self._keys)))

    @overload
    def execute_many(
        self,
        activity: Target[P, R],
        payloads: Iterable[P],
        /,
        *,
        key: Callable[[P], str] | None = None,
        **options: Unpack[BulkOptions],
    ) -> Batch[R]: ...

    @overload
    def execute_many(
        self,
        activity: str,
        payloads: Iterable[Any],
        /,
        *,
        key: Callable[[Any], str] | None = None,
        **options: Unpack[BulkOptions],
    ) -> Batch[Any]: ...

    def execute_many(
        self,
        activity: object,
        payloads: Iterable[Any],
        /,
        *,
        key: Callable[[Any], str] | None = None,
        **options: Unpack[BulkOptions],
    ) -> Batch[Any]:
        """Submits one activity a payload, in order. All are checked before the first is sent; `key` makes their keys.

        They go in bites of 200 activities or 256 KiB, so that no call holds up the server. What is not bounded is this
        process's memory: to check all first, all encoded payloads are held, about 500 bytes each besides the JSON, and
        a future for each. A generator of millions is better cut into batches of some ten thousand.

        Raises `BatchSubmissionError` with what went and what failed if a bite or a key is refused.
        """
        reply = self._reach.reply_for(self._keys)
        submissions, resolved = self._preparer.many(activity, payloads, key, options, reply)
        return Batch(run_steps(self._reach.run, self._sending(submissions, resolved)))

    @overload
    def activity(self, activity: Target[P, R], /) -> ActivityBuilder[P, R]: ...

    @overload
    def activity(self, activity: str, /) -> ActivityBuilder[Any, Any]: ...

    def activity(self, activity: object, /) -> ActivityBuilder[Any, Any]:
        """Begins a sentence: `executor.activity("render").payload(job).priority(HIGH).execute()`."""
        self._preparer.targets.resolve(activity)
        return ActivityBuilder(self, activity)

    @overload
    def future(self, activity_id: str, activity: Target[P, R], /) -> ActivityFuture[R]: ...

    @overload
    def future(self, activity_id: str, activity: str = "activity", /) -> ActivityFuture[Any]: ...

    def future(self, activity_id: str, activity: object = "activity", /) -> ActivityFuture[Any]:
        """The future of an activity that was submitted elsewhere; `activity` gives the type of its result.

        An id that nobody knows is told by the first question to the future: `ActivityNotFound`.
        """
        return self._future(activity_id, activity)

    def cancel(self, activity_id: str, grace: float | timedelta | None = None, *, children: bool = False) -> bool:
        """Asks for the end of an activity that was submitted anywhere, as `ActivityFuture.cancel`."""
        steps = cancelling_known(self._keys, activity_id, grace, children=children)
        return run_steps(self._reach.run, steps)

    def cancel_children(self, activity_id: str, grace: float | timedelta | None = None) -> int:
        """Asks for the end of all that an activity has started in this queue, and of what these have; how many."""
        return run_steps(self._reach.run, cancelling_children(self._keys, activity_id, grace))

    def send(self, prepared: Prepared) -> ActivityFuture[Any]:
        """Sends a prepared submission; sent twice it is the same activity."""
        future, call = self._begin(prepared)
        return self._end(prepared, future, self._reach.run(call))

    def close(self) -> None:
        """Closes this process's connections; may be called twice. A view leaves them to the executor it came from."""
        if not self._is_view:
            self._reach.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _make(self, activity_id: str, resolved: Resolved, *, is_new: bool) -> ActivityFuture[Any]:
        return ActivityFuture(
            self._reach, self._keys, activity_id, resolved.activity_type, resolved.results, is_new=is_new
        )

    def _view(self, desk: Desk) -> Self:
        return type(self)(self._reach, desk, is_view=True)
