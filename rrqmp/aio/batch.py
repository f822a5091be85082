"""Many futures at once, on a loop: in input order, or as they end."""

from __future__ import annotations

from collections.abc import AsyncIterator, Generator, Iterable, Mapping
from datetime import timedelta
from typing import Any, Generic, Literal, overload

from typing_extensions import TypeVar

from rrqmp.aio.future import ActivityFuture, completed_of
from rrqmp.client.batch import DoneAndNotDone, Handles, Patience, ReturnWhen, futures_of, rest_not_ended
from rrqmp.client.future import seconds_or_none
from rrqmp.client.steps import run_steps_async
from rrqmp.errors import ResultError
from rrqmp.model.status import ActivityStatus

R_co = TypeVar("R_co", covariant=True, default=Any)
R = TypeVar("R", default=Any)


class Batch(Handles[ActivityFuture[R_co]], Generic[R_co]):
    """The futures of one `execute_many`, in the order of the payloads; `await batch` is the list of the results."""

    __slots__ = ()

    def __await__(self) -> Generator[Any, Any, list[R_co]]:
        return self.results().__await__()

    async def counts(self) -> Mapping[ActivityStatus, int]:
        """How many stand where; as of the blocking batch."""
        return await run_steps_async(self._futures[0]._asked.run, self._counting()) if self._futures else {}

    async def cancel(self, grace: float | timedelta | None = None) -> int:
        """Asks for the end of all; how many are cancelled, or will be."""
        return sum([await future.cancel(grace) for future in self._futures])

    @overload
    async def results(
        self, *, timeout: float | timedelta | None = None, return_exceptions: Literal[False] = False
    ) -> list[R_co]: ...

    @overload
    async def results(
        self, *, timeout: float | timedelta | None = None, return_exceptions: bool
    ) -> list[R_co | ResultError]: ...

    async def results(
        self,
        *,
        timeout: float | timedelta | None = None,
        return_exceptions: bool = False,
    ) -> list[R_co] | list[R_co | ResultError]:
        """Waits for all, then gives the results in order; an error is raised at its place, or put there."""
        async for _ in as_completed(self, timeout=timeout):
            pass
        return [await _result_or_error(future, return_exceptions) for future in self._futures]


async def as_completed(
    futures: Iterable[ActivityFuture[R]],
    *,
    timeout: float | timedelta | None = None,
) -> AsyncIterator[ActivityFuture[R]]:
    """`async for` over the futures as their activities end; raises `ResultTimeout` when `timeout` is over."""
    waited = futures_of(futures, ActivityFuture)
    seconds = seconds_or_none(timeout)
    ended = 0
    ends = completed_of(waited, seconds)
    try:
        async for future in ends:
            ended += 1
            yield future
    finally:
        await ends.aclose()
    if ended < len(waited):
        raise rest_not_ended(len(waited) - ended, len(waited), seconds)


async def wait(
    futures: Iterable[ActivityFuture[R]],
    timeout: float | timedelta | None = None,
    return_when: ReturnWhen = "ALL_COMPLETED",
) -> DoneAndNotDone[ActivityFuture[R]]:
    """Waits until all have ended, or the first, or the first without a result; as the blocking one."""
    patience = Patience(futures_of(futures, ActivityFuture), return_when)
    ends = completed_of(patience.not_done, seconds_or_none(timeout))
    try:
        async for future in ends:
            if patience.is_over(future):
                break
    finally:
        await ends.aclose()
    return patience.answer()


async def _result_or_error(future: ActivityFuture[R], return_exceptions: bool) -> Any:
    try:
        return await future.get_result(timeout=0)
    except ResultError as error:
        if return_exceptions:
            return error
        raise
