"""Counts in shared memory: one region a worker, bounded types, the dead kept, wild writes left out."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator

import pytest

from rrqmp.telemetry.shared_counts import SERIES_MOST, Counts, CountsFile, CountsWriter, SeriesTable
from rrqmp.telemetry.vocabulary import BOUNDS, OTHER_TYPES, MetricName

PAGES = 4


@pytest.fixture
def table() -> SeriesTable:
    return SeriesTable(["a", "b"], ["x", "y"])


@pytest.fixture
def file(table: SeriesTable) -> Iterator[CountsFile]:
    made = CountsFile(table, PAGES)
    yield made
    made.close()


def writer(file: CountsFile, page: int = 1) -> CountsWriter:
    return CountsWriter(file.descriptor, page, file.table)


def total(file: CountsFile, *pages: int) -> Counts:
    counts = file.of_the_dead()
    for page in pages:
        file.add(page, counts)
    return counts


def counted(file: CountsFile, counts: Counts, name: MetricName) -> dict[tuple[str, str], int]:
    return {file.table.labels(place): number for place, number in counts.counters(name) if number}


def test_workers_are_added_up_by_queue_and_type(file: CountsFile) -> None:
    first, second = writer(file, 1), writer(file, 2)
    for _ in range(3):
        first.count(MetricName.COMPLETED, "a", "x")
    second.count(MetricName.COMPLETED, "a", "x")
    second.count(MetricName.COMPLETED, "b", "y")
    assert counted(file, total(file, 1, 2), MetricName.COMPLETED) == {("a", "x"): 4, ("b", "y"): 1}


def test_duration_falls_into_the_bucket_that_it_does_not_exceed(file: CountsFile) -> None:
    one = writer(file)
    for nanoseconds in (0, 1_000_000, 1_000_001, 4_000 * 10**9):
        one.observe(MetricName.EXECUTION, "a", "x", nanoseconds)
    [(_, buckets, seconds)] = [entry for entry in total(file, 1).durations(MetricName.EXECUTION) if any(entry[1])]
    assert (buckets[0], buckets[1], buckets[-1]) == (2, 1, 1)
    assert len(buckets) == len(BOUNDS) + 1
    assert seconds == pytest.approx(4000.002, abs=1e-3)


def test_the_dead_stay_counted_and_their_region_is_blank(file: CountsFile) -> None:
    for _ in range(3):
        writer(file).count(MetricName.TIMEOUT, "a", "x")
        file.bury(1)
    assert counted(file, total(file), MetricName.TIMEOUT) == {("a", "x"): 3}
    assert counted(file, total(file, 1), MetricName.TIMEOUT) == {("a", "x"): 3}


def test_ten_thousand_types_are_bounded_and_none_is_lost() -> None:
    names = [f"t{number}" for number in range(10_000)]
    table = SeriesTable(["a"], names)
    assert len(table) == SERIES_MOST
    file = CountsFile(table, 2)
    one = writer(file)
    for name in names:
        one.count(MetricName.COMPLETED, "a", name)
    found = counted(file, total(file, 1), MetricName.COMPLETED)
    assert found["a", "t0"] == 1
    assert found["a", OTHER_TYPES] == 10_000 - (SERIES_MOST - 1)
    assert sum(found.values()) == 10_000
    file.close()


@pytest.mark.parametrize("queues", [1, 3, 1000])
def test_every_queue_has_room(queues: int) -> None:
    names = [f"q{number}" for number in range(queues)]
    table = SeriesTable(names, ["x", "y"])
    places = {table.place(queue, "x") for queue in names}
    assert len(places) == queues
    assert {table.labels(place)[0] for place in places} == set(names)
    assert table.labels(table.place(names[-1], "unknown")) == (names[-1], OTHER_TYPES)


def test_wild_write_spoils_one_worker_and_no_reader(file: CountsFile) -> None:
    one, other = writer(file, 1), writer(file, 2)
    one.count(MetricName.COMPLETED, "a", "x")
    other.count(MetricName.COMPLETED, "a", "x")
    one._words[:] = memoryview(b"\xff" * one._words.nbytes).cast("Q")
    one.count(MetricName.COMPLETED, "a", "x")
    counts = total(file, 1, 2)
    assert counted(file, counts, MetricName.COMPLETED) == {("a", "x"): 1}
    file.bury(1)
    writer(file, 1).count(MetricName.COMPLETED, "b", "x")
    assert counted(file, total(file, 1, 2), MetricName.COMPLETED) == {("a", "x"): 1, ("b", "x"): 1}


def test_worker_killed_while_it_counts_leaves_whole_numbers(file: CountsFile) -> None:
    pid = os.fork()
    if pid == 0:
        one = writer(file)
        while True:
            one.count(MetricName.COMPLETED, "a", "x")
            one.observe(MetricName.EXECUTION, "a", "x", 1_000_000)
    seen = 0
    until = time.monotonic() + 5
    while seen < 20_000 and time.monotonic() < until:
        now = counted(file, total(file, 1), MetricName.COMPLETED).get(("a", "x"), 0)
        assert now >= seen
        seen = now
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    file.bury(1)
    counts = total(file)
    done = counted(file, counts, MetricName.COMPLETED)["a", "x"]
    [(_, buckets, seconds)] = [entry for entry in counts.durations(MetricName.EXECUTION) if any(entry[1])]
    assert done >= seen > 0
    assert 0 <= done - buckets[0] <= 1
    assert abs(round(seconds * 1000) - buckets[0]) <= 1
