"""The page for Prometheus: readable by its own parser, in short pieces, whatever the labels are called."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from prometheus_client.parser import text_string_to_metric_families

from rrqmp.telemetry.exposition import Observed, pieces
from rrqmp.telemetry.shared_counts import SERIES_MOST, CountsFile, CountsWriter, SeriesTable
from rrqmp.telemetry.vocabulary import ACTIVITY_COUNTERS, ACTIVITY_DURATIONS, BOUNDS, MetricName

HOSTILE = 'a"} 1\n# TYPE x counter\\'
QUEUES = ["q", HOSTILE]


@pytest.fixture
def full() -> Iterator[CountsFile]:
    """Every series that there can be, each with every metric."""
    file = CountsFile(SeriesTable(QUEUES, [HOSTILE, *(f"t{number}" for number in range(10_000))]), 2)
    writer = CountsWriter(file.descriptor, 1, file.table)
    for place in range(len(file.table)):
        queue, kind = file.table.labels(place)
        for counter in ACTIVITY_COUNTERS:
            writer.count(counter, queue, kind)
        for duration in ACTIVITY_DURATIONS:
            writer.observe(duration, queue, kind, 3_000_000)
    file.bury(1)
    yield file
    file.close()


def test_page_of_all_series_is_whole_and_comes_in_short_pieces(full: CountsFile) -> None:
    observed = Observed()
    observed.put(MetricName.DEPTH, 7, HOSTILE, "pending")
    made: list[bytes] = []
    longest: list[float] = []
    began = time.thread_time()
    for piece in pieces(full.table, full.of_the_dead(), observed):
        longest.append(time.thread_time() - began)
        made.append(piece)
        began = time.thread_time()
    families = {family.name: family for family in text_string_to_metric_families(b"".join(made).decode())}
    completed = families["rrqmp_activity_completed"]
    assert len(completed.samples) == SERIES_MOST
    assert {sample.value for sample in completed.samples} == {1.0}
    assert {sample.labels["queue"] for sample in completed.samples} == set(QUEUES)
    assert HOSTILE in {sample.labels["type"] for sample in completed.samples}
    execution = families["rrqmp_activity_execution_seconds"]
    assert len(execution.samples) == SERIES_MOST * (len(BOUNDS) + 3)
    sums = [sample.value for sample in execution.samples if sample.name.endswith("_sum")]
    assert sums == pytest.approx([0.003] * SERIES_MOST)
    [depth] = families["rrqmp_queue_depth"].samples
    assert (depth.labels, depth.value) == ({"queue": HOSTILE, "state": "pending"}, 7)
    # Processor time of this thread alone; the second longest, since one may have been interrupted.
    assert sorted(longest)[-2] < 0.02


def test_what_was_never_counted_is_not_there() -> None:
    file = CountsFile(SeriesTable(["q"], ["t"]), 2)
    CountsWriter(file.descriptor, 1, file.table).count(MetricName.COMPLETED, "q", "t")
    file.bury(1)
    text = b"".join(pieces(file.table, file.of_the_dead(), Observed())).decode()
    file.close()
    assert 'rrqmp_activity_completed_total{queue="q",type="t"} 1.0' in text
    assert "execution" not in text
    assert "timeout" not in text
