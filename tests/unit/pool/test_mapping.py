"""`map` without processes: pieces in, results in order, and how far ahead is submitted."""

from __future__ import annotations

from concurrent.futures import Future
from typing import Any

import pytest

from rrqmp.pool.dispatcher import Ahead
from rrqmp.pool.mapping import ordered_results, pieces


def done(piece: list[tuple[Any, ...]]) -> Future[list[Any]]:
    future: Future[list[Any]] = Future()
    future.set_result([sum(args) for args in piece])
    return future


def test_pieces_hold_so_many_argument_lists_and_end_with_the_shortest() -> None:
    assert list(pieces([range(5), range(10, 20)], 2)) == [[(0, 10), (1, 11)], [(2, 12), (3, 13)], [(4, 14)]]
    assert list(pieces([[], range(3)], 4)) == []


def test_results_come_in_order() -> None:
    assert list(ordered_results(done, pieces([range(5)], 2), None, None)) == [0, 1, 2, 3, 4]


def test_buffer_bounds_what_is_submitted_ahead() -> None:
    submitted: list[Any] = []

    def submit(piece: list[tuple[Any, ...]]) -> Future[list[Any]]:
        submitted.append(piece)
        return done(piece)

    results = ordered_results(submit, pieces([iter(range(100))], 1), None, 3)
    assert len(submitted) == 3
    assert [next(results), next(results)] == [0, 1]
    assert len(submitted) == 5


def test_dropped_iterator_cancels_what_is_left() -> None:
    futures: list[Future[list[Any]]] = []

    def submit(piece: list[tuple[Any, ...]]) -> Future[list[Any]]:
        futures.append(done(piece) if not futures else Future())
        return futures[-1]

    results = ordered_results(submit, pieces([range(3)], 1), None, None)
    assert next(results) == 0
    del results
    assert [future.cancelled() for future in futures] == [False, True, True]


def test_time_runs_from_the_call() -> None:
    results = ordered_results(lambda piece: Future(), pieces([range(3)], 1), 0.001, None)
    with pytest.raises(TimeoutError):
        next(results)


def test_few_long_calls_and_many_short_ones_are_handed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr("rrqmp.pool.dispatcher.monotonic", lambda: now)
    ahead = Ahead(4)
    assert ahead.most() == 5
    for _ in range(100):
        now += 0.01
        ahead.saw(100)
    assert 90 < ahead.most() < 110
    for _ in range(20):
        now += 10
        ahead.saw(1)
    assert ahead.most() == 5
