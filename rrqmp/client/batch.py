"""Many futures at once: in input order, or as they end."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import timedelta
from typing import Any, Literal, overload

from typing_extensions import TypeVar

from rrqmp.client.future import ActivityFuture, completed_of
from rrqmp.errors import ResultError, ResultTimeout
from rrqmp.model.units import check_seconds

R_co = TypeVar("R_co", covariant=True, default=Any)
R = TypeVar("R", default=Any)


class Batch(Sequence[ActivityFuture[R_co]]):
    """The futures of one `execute_many`, in the order of the payloads."""

    __slots__ = ("_futures",)

    def __init__(self, futures: Sequence[ActivityFuture[R_co]]) -> None:
        self._futures = futures

    @overload
    def __getitem__(self, place: int) -> ActivityFuture[R_co]: ...

    @overload
    def __getitem__(self, place: slice) -> Batch[R_co]: ...

    def __getitem__(self, place: int | slice) -> ActivityFuture[R_co] | Batch[R_co]:
        if isinstance(place, slice):
            return Batch(self._futures[place])
        return self._futures[place]

    def __len__(self) -> int:
        return len(self._futures)

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

    def __repr__(self) -> str:
        return f"<Batch of {len(self)}>"


def as_completed(
    futures: Iterable[ActivityFuture[R]], *, timeout: float | timedelta | None = None
) -> Iterator[ActivityFuture[R]]:
    """Yields the futures as their activities end; raises `ResultTimeout` when `timeout` is over for the rest."""
    waited = list(futures)
    seconds = None if timeout is None else check_seconds(timeout, "timeout", least=0.0)
    ended = 0
    for future in completed_of(waited, seconds):
        ended += 1
        yield future
    if ended < len(waited):
        raise ResultTimeout(f"{len(waited) - ended} of {len(waited)} activities had not ended after {seconds:g} s")


def _result_or_error(future: ActivityFuture[R], return_exceptions: bool) -> Any:
    try:
        return future.get_result(timeout=0)
    except ResultError as error:
        if return_exceptions:
            return error
        raise
