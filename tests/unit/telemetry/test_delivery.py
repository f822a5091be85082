"""The courier between a handler's thread and a sink: in order, bounded, and never waiting."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping

import pytest

from rrqmp.telemetry import delivery
from rrqmp.telemetry.delivery import Event, SinkCourier
from rrqmp.telemetry.sink import MetricsSink


class Kept(MetricsSink):
    """Keeps what it gets, once it is let go."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.got: list[tuple[str, float]] = []
        self.closed = False

    def inc_counter(self, name: str, value: int, attributes: Mapping[str, str]) -> None:
        self.gate.wait()
        self.got.append((name, value))

    def observe_duration(self, name: str, seconds: float, attributes: Mapping[str, str]) -> None:
        self.got.append((name, seconds))

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def sink() -> Iterator[Kept]:
    made = Kept()
    yield made
    made.gate.set()


@pytest.fixture
def dropped() -> list[int]:
    return []


@pytest.fixture
def courier(sink: Kept, dropped: list[int]) -> SinkCourier:
    return SinkCourier(sink, lambda: None, dropped.append)


def test_events_come_in_order_and_the_sink_is_closed(sink: Kept, courier: SinkCourier) -> None:
    sink.gate.set()
    courier.send([Event("a", {}, 1), Event("b", {}, None, 0.5)])
    courier.send([Event("c", {}, 2)])
    courier.close(5)
    assert sink.got == [("a", 1), ("b", 0.5), ("c", 2)]
    assert sink.closed


def test_sink_that_hangs_costs_the_sender_nothing_and_is_not_waited_for(
    sink: Kept, courier: SinkCourier, dropped: list[int], caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(delivery._WAITING_MOST + 10):
        courier.send([Event("a", {}, 1)] * 3)
    assert sum(dropped) in (27, 30)  # the first packet may be under way
    assert len([record for record in caplog.records if "has not returned" in record.message]) == 1
    began = time.monotonic()
    courier.close(0.05)
    assert time.monotonic() - began < 2
    assert not sink.closed


def test_nothing_starts_before_the_first_event(courier: SinkCourier) -> None:
    before = threading.active_count()
    courier.close(1)
    assert threading.active_count() == before
