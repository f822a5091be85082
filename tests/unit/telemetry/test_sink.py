"""Metrics sinks: what a broken one does to the rest, which is nothing."""

from __future__ import annotations

import logging
from collections.abc import Mapping

import pytest

from rrqmp.telemetry.sink import GuardedMetrics, LoggingMetrics, MetricsSink, NoopMetrics
from rrqmp.telemetry.vocabulary import MetricName


class Broken:
    def inc_counter(self, name: str, value: int, attributes: Mapping[str, str]) -> None:
        raise OSError("sink is down")

    def observe_duration(self, name: str, seconds: float, attributes: Mapping[str, str]) -> None:
        raise OSError("sink is down")


def test_any_object_with_the_two_calls_is_a_sink() -> None:
    assert isinstance(Broken(), MetricsSink)
    assert isinstance(NoopMetrics(), MetricsSink)


def test_a_sink_that_raises_is_logged_once_a_name_and_counted(caplog: pytest.LogCaptureFixture) -> None:
    guarded = GuardedMetrics(Broken())
    for _ in range(3):
        guarded.inc_counter(MetricName.COMPLETED, 1, {})
        guarded.observe_duration(MetricName.EXECUTION, 0.5, {})
    assert guarded.failures == 6
    assert len(caplog.records) == 2


def test_the_logging_sink_writes_names_and_values(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG, "rrqmp.metrics"):
        LoggingMetrics().inc_counter(MetricName.RETRY, 2, {"type": "a"})
    assert caplog.messages == ["activity_retry += 2 {'type': 'a'}"]
