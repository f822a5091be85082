"""The producer on a loop: the same checks and descriptions as the blocking one, awaited."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import timedelta
from types import TracebackType
from typing import Any, Self, overload

from typing_extensions import TypeVar, Unpack

from rrqmp.aio.batch import Batch
from rrqmp.aio.builder import ActivityBuilder
from rrqmp.aio.future import ActivityFuture
from rrqmp.aio.queue import ActivityQueue
from rrqmp.aio.reach import AsyncReach
from rrqmp.client.cancelling import cancelling_children, cancelling_known
from rrqmp.client.preparation import Prepared
from rrqmp.client.steps import run_steps_async
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
    """Submits activities to one queue from one event loop; any number of its tasks may use it at once.

    It opens its connections on the loop that first needs them and closes them when that loop ends its tasks, as
    `asyncio.run` does; after that another loop may use it. Two loops at once may not: make one for each. A task that is
    cancelled while it submits cannot tell whether the activity was accepted; a key, or `prepare()`, makes it safe to
    submit again.
    """

    def __init__(self, reach: AsyncReach, desk: Desk, *, is_view: bool = False) -> None:
        super().__init__(reach, desk)
        self._reach = reach
        self._is_view = is_view

    @classmethod
    def connect(cls, url: str = DEFAULT_URL, queue: str = DEFAULT_QUEUE, **options: Unpack[ConnectOptions]) -> Self:
        """As the blocking one's. No I/O before the first submission, and no loop needed here."""
        desk = desk_of(queue, options)
        config = redis_config_of(options)
        return cls(AsyncReach(url, config, resend_seconds=resend_seconds_of(options)), desk)

    @property
    def activity_queue(self) -> ActivityQueue:
        """The queue as an operator sees it."""
        return ActivityQueue(self._reach.run, self._keys, self._rules)

    @overload
    async def execute(self, activity: Target[P, R], payload: P, /, **options: Unpack[Options]) -> ActivityFuture[R]: ...

    @overload
    async def execute(
        self, activity: str, payload: Any = None, /, **options: Unpack[Options]
    ) -> ActivityFuture[Any]: ...

    async def execute(
        self, activity: object, payload: object = None, /, **options: Unpack[Options]
    ) -> ActivityFuture[Any]:
        """Submits one activity, accepted when this returns; errors as of the blocking one."""
        return await self.send(self._preparer.one(activity, payload, options, self._reach.reply_for(self._keys)))

    @overload
    async def execute_many(
        self,
        activity: Target[P, R],
        payloads: Iterable[P],
        /,
        *,
        key: Callable[[P], str] | None = None,
        **options: Unpack[BulkOptions],
    ) -> Batch[R]: ...

    @overload
    async def execute_many(
        self,
        activity: str,
        payloads: Iterable[Any],
        /,
        *,
        key: Callable[[Any], str] | None = None,
        **options: Unpack[BulkOptions],
    ) -> Batch[Any]: ...

    async def execute_many(
        self,
        activity: object,
        payloads: Iterable[Any],
        /,
        *,
        key: Callable[[Any], str] | None = None,
        **options: Unpack[BulkOptions],
    ) -> Batch[Any]:
        """Submits one activity a payload, in order; as the blocking one.

        All are checked before the first is sent, and meanwhile the loop stands: some microseconds for each.
        """
        reply = self._reach.reply_for(self._keys)
        submissions, resolved = self._preparer.many(activity, payloads, key, options, reply)
        return Batch(await run_steps_async(self._reach.run, self._sending(submissions, resolved)))

    @overload
    def activity(self, activity: Target[P, R], /) -> ActivityBuilder[P, R]: ...

    @overload
    def activity(self, activity: str, /) -> ActivityBuilder[Any, Any]: ...

    def activity(self, activity: object, /) -> ActivityBuilder[Any, Any]:
        """Begins a sentence: `await executor.activity("render").payload(job).priority(HIGH).execute()`."""
        self._preparer.targets.resolve(activity)
        return ActivityBuilder(self, activity)

    @overload
    def future(self, activity_id: str, activity: Target[P, R], /) -> ActivityFuture[R]: ...

    @overload
    def future(self, activity_id: str, activity: str = "activity", /) -> ActivityFuture[Any]: ...

    def future(self, activity_id: str, activity: object = "activity", /) -> ActivityFuture[Any]:
        """The future of an activity that was submitted elsewhere; `activity` gives the type of its result."""
        return self._future(activity_id, activity)

    async def cancel(self, activity_id: str, grace: float | timedelta | None = None, *, children: bool = False) -> bool:
        """Asks for the end of an activity that was submitted anywhere, as `ActivityFuture.cancel`."""
        steps = cancelling_known(self._keys, activity_id, grace, children=children)
        return await run_steps_async(self._reach.run, steps)

    async def cancel_children(self, activity_id: str, grace: float | timedelta | None = None) -> int:
        """Asks for the end of all that an activity has started in this queue, and of what these have; how many."""
        return await run_steps_async(self._reach.run, cancelling_children(self._keys, activity_id, grace))

    async def send(self, prepared: Prepared) -> ActivityFuture[Any]:
        """Sends a prepared submission; sent twice it is the same activity."""
        future, call = self._begin(prepared)
        return self._end(prepared, future, await self._reach.run(call))

    async def close(self) -> None:
        """Closes this loop's connections; may be called twice. A view leaves them to the executor it came from."""
        if not self._is_view:
            await self._reach.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def _make(self, activity_id: str, resolved: Resolved, *, is_new: bool) -> ActivityFuture[Any]:
        return ActivityFuture(
            self._reach, self._keys, activity_id, resolved.activity_type, resolved.results, is_new=is_new
        )

    def _view(self, desk: Desk) -> Self:
        return type(self)(self._reach, desk, is_view=True)
