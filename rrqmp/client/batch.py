"""Many futures at once: in input order, or as they end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any, Generic, Literal, NamedTuple, Self, TypeAlias, overload

from typing_extensions import TypeVar

from rrqmp.client.ending import Ended
from rrqmp.client.future import ActivityFuture, completed_of, seconds_or_none
from rrqmp.client.handle import ActivityHandle
from rrqmp.client.steps import Steps, run_steps
from rrqmp.errors import ConfigurationError, ResultError, ResultTimeout
from rrqmp.model.status import ActivityStatus
from rrqmp.store.calls.watch import WATCH_BITE, watch

R_co = TypeVar("R_co", covariant=True, default=Any)
R = TypeVar("R", default=Any)
F = TypeVar("F", bound=ActivityHandle[Any])
F_co = TypeVar("F_co", bound=ActivityHandle[Any], covariant=True)

# The words of `concurrent.futures` and `asyncio`, whose constants may be given as well.
ReturnWhen: TypeAlias = Literal["FIRST_COMPLETED", "FIRST_EXCEPTION", "ALL_COMPLETED"]


def futures_of(futures: Iterable[F], kind: type[ActivityHandle[Any]]) -> list[F]:
    """All of them; raises `ConfigurationError` where one is no future of this kind."""
    if not isinstance(futures, Iterable):
        raise ConfigurationError(f"{futures!r:.80} is no collection of futures: give a list or another iterable")
    listed = list(futures)
    for one in listed:
        if not isinstance(one, kind):
            raise ConfigurationError(
                f"{one!r:.80} is no {kind.__name__} of {kind.__module__.rpartition('.')[0]}: give those of one client, "
                "blocking or asyncio, to its own wait and as_completed"
            )
    return listed


class Handles(Sequence[F_co]):
    """What a batch is, however it waits: a sequence in the order of the payloads."""

    __slots__ = ("_futures",)

    def __init__(self, futures: Sequence[F_co]) -> None:
        self._futures = futures

    @overload
    def __getitem__(self, place: int) -> F_co: ...

    @overload
    def __getitem__(self, place: slice) -> Self: ...

    def __getitem__(self, place: int | slice) -> F_co | Self:
        if isinstance(place, slice):
            return type(self)(self._futures[place])
        return self._futures[place]

    def __len__(self) -> int:
        return len(self._futures)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {len(self)}>"

    def _counting(self) -> Steps[Mapping[ActivityStatus, int]]:
        counts = Counter(future._ended.status for future in self._futures if future._ended is not None)
        rest = [future for future in self._futures if future._ended is None]
        by_queue: dict[Any, list[F_co]] = {}
        for future in rest:
            by_queue.setdefault(future.keys, []).append(future)
        for keys, group in by_queue.items():
            for start in range(0, len(group), WATCH_BITE):
                bite = group[start : start + WATCH_BITE]
                replies = yield watch(keys, [future.activity_id for future in bite])
                for future, reply in zip(bite, replies, strict=True):
                    counts[reply.status] += 1
                    if reply.status is not None and reply.status.has_ended:
                        future._ended = future._ended or Ended(reply.status, reply.out)
        return {status: counts[status] for status in ActivityStatus if counts[status]}


class Batch(Handles[ActivityFuture[R_co]], Generic[R_co]):
    """The futures of one `execute_many`, in the order of the payloads."""

    __slots__ = ()

    def counts(self) -> Mapping[ActivityStatus, int]:
        """How many stand where; states that none is in are left out. Asks for those whose end is not known yet.

        What is missing from the sum has ended, and its record's time to live is over.
        """
        return run_steps(self._futures[0]._asked.run, self._counting()) if self._futures else {}

    @overload
    def results(
        self, *, timeout: float | timedelta | None = None, return_exceptions: Literal[False] = False
    ) -> list[R_co]: ...

    @overload
    def results(
        self, *, timeout: float | timedelta | None = None, return_exceptions: bool
    ) -> list[R_co | ResultError]: ...

    def results(
        self, *, timeout: float | timedelta | None = None, return_exceptions: bool = False
    ) -> list[R_co] | list[R_co | ResultError]:
        """Blocks for all, then gives the results in order; an error is raised at its place, or put there."""
        for _ in as_completed(self, timeout=timeout):
            pass
        return [_result_or_error(future, return_exceptions) for future in self._futures]

    def cancel(self, grace: float | timedelta | None = None) -> int:
        """Asks for the end of all, as `ActivityFuture.cancel`; how many are cancelled, or will be."""
        return sum(future.cancel(grace) for future in self._futures)


class DoneAndNotDone(NamedTuple, Generic[F]):
    """What `wait` gives: two sets, as of `concurrent.futures.wait`."""

    done: set[F]
    not_done: set[F]


def as_completed(
    futures: Iterable[ActivityFuture[R]], *, timeout: float | timedelta | None = None
) -> Iterator[ActivityFuture[R]]:
    """Yields the futures as their activities end; raises `ResultTimeout` when `timeout` is over for the rest."""
    waited = futures_of(futures, ActivityFuture)
    seconds = seconds_or_none(timeout)
    ended = 0
    for future in completed_of(waited, seconds):
        ended += 1
        yield future
    if ended < len(waited):
        raise rest_not_ended(len(waited) - ended, len(waited), seconds)


def wait(
    futures: Iterable[ActivityFuture[R]],
    timeout: float | timedelta | None = None,
    return_when: ReturnWhen = "ALL_COMPLETED",
) -> DoneAndNotDone[ActivityFuture[R]]:
    """Blocks until all have ended, or the first, or the first without a result; gives what has and what has not.

    Raises nothing when `timeout` is over: the rest is in `not_done`, and goes on.
    """
    patience = Patience(futures_of(futures, ActivityFuture), return_when)
    for future in completed_of(patience.not_done, seconds_or_none(timeout)):
        if patience.is_over(future):
            break
    return patience.answer()


class Patience(Generic[F]):
    """What has ended of those waited for, and whether that is enough."""

    def __init__(self, futures: Iterable[F], return_when: ReturnWhen) -> None:
        if return_when not in ("FIRST_COMPLETED", "FIRST_EXCEPTION", "ALL_COMPLETED"):
            raise ConfigurationError(
                f"return_when is {return_when!r}: give 'FIRST_COMPLETED', 'FIRST_EXCEPTION' or 'ALL_COMPLETED'"
            )
        self.not_done = set(futures)
        self._done: set[F] = set()
        self._return_when = return_when

    def is_over(self, future: F) -> bool:
        """Takes one that has ended."""
        self._done.add(future)
        failed = future._ended is None or future._ended.status is not ActivityStatus.COMPLETED
        return self._return_when == "FIRST_COMPLETED" or (self._return_when == "FIRST_EXCEPTION" and failed)

    def answer(self) -> DoneAndNotDone[F]:
        """All that is known to have ended, also what nobody was waiting for any more."""
        self._done.update(future for future in self.not_done if future._ended is not None)
        return DoneAndNotDone(self._done, self.not_done - self._done)


def rest_not_ended(rest: int, total: int, seconds: float | None) -> ResultTimeout:
    """The error of a wait for many that is given up."""
    return ResultTimeout(f"{rest} of {total} activities had not ended after {seconds:g} s")


def _result_or_error(future: ActivityFuture[R], return_exceptions: bool) -> Any:
    try:
        return future.get_result(timeout=0)
    except ResultError as error:
        if return_exceptions:
            return error
        raise
