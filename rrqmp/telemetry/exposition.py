"""What a Prometheus scrape reads, made by prometheus-client: an extra, so this is imported only where it is wanted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate, islice
from typing import Final, TypeVar

from prometheus_client import generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from rrqmp.telemetry.shared_counts import Counts, SeriesTable
from rrqmp.telemetry.vocabulary import ACTIVITY_COUNTERS, ACTIVITY_DURATIONS, BOUNDS, Callback, Kind, MetricName

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
# Lines that are made in one go: about a millisecond, since whoever makes them also watches over deadlines.
_LINES_A_PIECE: Final = 100
_LABELS_OF_BUCKETS: Final = [*(f"{bound:g}" for bound in BOUNDS), "+Inf"]
T = TypeVar("T")


@dataclass(slots=True)
class Observed:
    """What a supervisor itself can tell: a value for each set of label values."""

    values: dict[MetricName, dict[tuple[str, ...], float]] = field(default_factory=dict)

    def put(self, name: MetricName, value: float, *labels: str) -> None:
        """One value; the labels in the table's order."""
        self.values.setdefault(name, {})[labels] = value


def pieces(table: SeriesTable, counts: Counts, observed: Observed) -> Iterator[bytes]:
    """The page, a piece at a time; what was never counted is not there."""
    for name in ACTIVITY_COUNTERS:
        values: dict[tuple[str, ...], float] = {
            table.labels(place): number for place, number in counts.counters(name) if number
        }
        yield from _plain(name, values)
    for name in ACTIVITY_DURATIONS:
        yield from _histogram(name, table, counts)
    failures: dict[tuple[str, ...], float] = {
        (callback.value,): float(counts.callback_failures[callback]) for callback in Callback
    }
    yield from _plain(MetricName.CALLBACK_FAILURES, failures)
    yield from _plain(MetricName.SINK_FAILURES, {(): float(counts.sink_failures)})
    yield from _plain(MetricName.SINK_DROPPED, {(): float(counts.sink_dropped)})
    for name, values_of in observed.values.items():
        yield from _plain(name, values_of)


def _plain(name: MetricName, values: Mapping[tuple[str, ...], float]) -> Iterator[bytes]:
    kind = CounterMetricFamily if name.kind is Kind.COUNTER else GaugeMetricFamily
    for place, some in enumerate(_portions(list(values.items()), _LINES_A_PIECE)):
        family = kind(name.prometheus, name.help, labels=name.labels)
        for labels, value in some:
            family.add_metric(labels, value)
        yield _text(family, first=place == 0)


def _histogram(name: MetricName, table: SeriesTable, counts: Counts) -> Iterator[bytes]:
    seen = [entry for entry in counts.durations(name) if any(entry[1])]
    for place, some in enumerate(_portions(seen, max(1, _LINES_A_PIECE // len(_LABELS_OF_BUCKETS)))):
        family = HistogramMetricFamily(name.prometheus, name.help, labels=name.labels)
        for series, buckets, total in some:
            steps = list(zip(_LABELS_OF_BUCKETS, map(float, accumulate(buckets)), strict=True))
            family.add_metric(table.labels(series), steps, total)
        yield _text(family, first=place == 0)


def _portions(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    rest = iter(items)
    while some := list(islice(rest, size)):
        yield some


class _One(Collector):
    """A registry of one family."""

    def __init__(self, family: Metric) -> None:
        self._family = family

    def collect(self) -> Iterator[Metric]:
        yield self._family


def _text(family: Metric, *, first: bool) -> bytes:
    text = generate_latest(_One(family))
    if first:
        return text
    # A family has one head, however many pieces it comes in; a label's line feed is escaped, so none of it looks so.
    return b"".join(line for line in text.splitlines(keepends=True) if not line.startswith(b"#"))
