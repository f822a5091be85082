"""`map`: calls in pieces, results in order."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from time import monotonic
from typing import Any


def pieces(iterables: Iterable[Iterable[Any]], size: int) -> Iterator[list[tuple[Any, ...]]]:
    """The argument lists of the calls, so many at a time."""
    zipped = zip(*iterables, strict=False)
    while piece := list(itertools.islice(zipped, size)):
        yield piece


def ordered_results(
    submit: Callable[[list[tuple[Any, ...]]], Future[list[Any]]],
    work: Iterator[list[tuple[Any, ...]]],
    timeout: float | None,
    buffersize: int | None,
) -> Iterator[Any]:
    """Submits now, all or the first `buffersize` pieces; the iterator gives the results in order.

    It keeps no result that it has given, and cancels what is left when it is dropped.
    """
    deadline = None if timeout is None else monotonic() + timeout
    futures = deque(submit(piece) for piece in itertools.islice(work, buffersize))

    def results() -> Iterator[Any]:
        try:
            while futures:
                values = _take(futures, deadline)
                for piece in itertools.islice(work, 1 if buffersize else 0):
                    futures.append(submit(piece))
                values.reverse()
                while values:
                    yield values.pop()
        finally:
            for future in futures:
                future.cancel()

    return results()


def _take(futures: deque[Future[list[Any]]], deadline: float | None) -> list[Any]:
    future = futures.popleft()
    try:
        return future.result(None if deadline is None else deadline - monotonic())
    finally:
        future.cancel()
        del future
