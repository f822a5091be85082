"""The awaitable handle on one activity. Any number of tasks of its loop may await it, any number of times."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Generator, Iterable
from datetime import timedelta
from typing import Any, Protocol, TypeVar, cast

from typing_extensions import TypeVar as DefaultedTypeVar

from rrqmp.aio.blocked_slot import take
from rrqmp.client.future import seconds_or_none
from rrqmp.client.handle import ActivityHandle
from rrqmp.client.hastening import Hastening
from rrqmp.client.steps import run_steps_async
from rrqmp.client.waiting_room import AnyHandle, Sink
from rrqmp.errors import StoreUnavailable
from rrqmp.model.activity import ActivityRecord
from rrqmp.model.progress import Progress
from rrqmp.model.status import ActivityStatus
from rrqmp.store.script import Call

R_co = DefaultedTypeVar("R_co", covariant=True, default=Any)
R = TypeVar("R")


class Asked(Protocol):
    """What a future needs of the side that made it."""

    async def run(self, call: Call[R]) -> R:
        """Runs a script call."""
        ...

    def expect(self, handles: Iterable[AnyHandle], sink: Sink) -> None:
        """Gives each to the sink once its activity has ended, at once if it has."""

    def forget(self, handles: Iterable[AnyHandle], sink: Sink) -> None:
        """Gives nothing more to the sink."""


class ActivityFuture(ActivityHandle[R_co], Awaitable[R_co]):
    """One accepted activity: `await future` is its result. Cancelling who awaits it leaves the activity alone.

    `index` is its place in the batch it came from; `is_new` is false where a key was taken.
    """

    __slots__ = ()
    _asked: Asked

    def __await__(self) -> Generator[Any, Any, R_co]:
        return self.get_result().__await__()

    async def get_result(self, timeout: float | timedelta | None = None) -> R_co:
        """Waits until the activity has ended and returns its result; errors as of the blocking future."""
        if self._ended is None:
            seconds = seconds_or_none(timeout)
            ends = completed_of((self,), seconds)
            try:
                if not [future async for future in ends]:
                    raise self._still_running(seconds)
            finally:
                await ends.aclose()
        return cast(R_co, await run_steps_async(self._asked.run, self._value()))

    async def done(self) -> bool:
        """Whether the activity has ended, in whatever way; asks Redis unless that is known."""
        return await run_steps_async(self._asked.run, self._asked_done())

    async def cancel(self, grace: float | timedelta | None = None, *, children: bool = False) -> bool:
        """Asks for the end of the activity; whether it is cancelled, or will be; as of the blocking future."""
        return await run_steps_async(self._asked.run, self._cancelling(grace, children=children))

    async def status(self) -> ActivityStatus:
        """Asks where the activity stands now."""
        return (await self.record()).status

    async def progress(self) -> Progress | None:
        """Asks what the handler said last about how far it is, some tenths of a second ago; `None` if it never did."""
        return await run_steps_async(self._asked.run, self._asked_progress())

    async def record(self) -> ActivityRecord:
        """Asks for all that is kept of the activity: its attempts, its options, its times."""
        return await run_steps_async(self._asked.run, self._asked_record())


async def completed_of(
    futures: Iterable[ActivityFuture[R_co]], timeout_seconds: float | None
) -> AsyncGenerator[ActivityFuture[R_co], None]:
    """Yields each future when its activity has ended, in that order; ends early after the time."""
    asked_of: dict[int, tuple[Asked, list[ActivityFuture[R_co]]]] = {}
    for future in futures:
        asked_of.setdefault(id(future._asked), (future._asked, []))[1].append(future)
    ended: asyncio.Queue[ActivityFuture[R_co]] = asyncio.Queue()
    sink = ended.put_nowait
    deadline = None if timeout_seconds is None else asyncio.get_running_loop().time() + timeout_seconds
    hastening = Hastening(asked_of.values())
    try:
        for asked, group in asked_of.values():
            asked.expect(group, sink)
        for _ in range(sum(len(group) for _, group in asked_of.values())):
            try:
                async with asyncio.timeout_at(deadline):
                    future = await take(ended, hastening)
            except TimeoutError:
                return
            if future._ended is None:
                raise StoreUnavailable("the executor was closed while somebody waited for a result; ask a new one")
            yield future
    finally:
        for asked, group in asked_of.values():
            asked.forget(group, sink)
