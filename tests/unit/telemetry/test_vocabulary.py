"""The table of metrics: names that do not change by accident, and a page for users that says the same."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from rrqmp.telemetry.vocabulary import BOUNDS, Kind, MetricName

PAGE = Path(__file__).parents[3] / "docs" / "metrics.md"
# Public: changing one is a breaking change.
PROMETHEUS = [
    "rrqmp_activity_completed_total",
    "rrqmp_activity_retry_total",
    "rrqmp_activity_failed_non_retry_total",
    "rrqmp_activity_timeout_total",
    "rrqmp_activity_crashed_total",
    "rrqmp_activity_out_of_memory_total",
    "rrqmp_activity_cancelled_total",
    "rrqmp_activity_released_total",
    "rrqmp_activity_dead_letter_total",
    "rrqmp_activity_execution_seconds",
    "rrqmp_activity_queue_wait_seconds",
    "rrqmp_worker_callback_failures_total",
    "rrqmp_worker_sink_failures_total",
    "rrqmp_worker_sink_dropped_total",
    "rrqmp_worker_exits_total",
    "rrqmp_worker_slots",
    "rrqmp_queue_depth",
    "rrqmp_queue_oldest_age_seconds",
    "rrqmp_redis_up",
]


def row(name: MetricName) -> str:
    sink, otel = (f"`{name.value}`", f"`{name.opentelemetry}`") if name.goes_to_sinks else ("-", "-")
    labels = ", ".join(f"`{label}`" for label in name.labels) or "-"
    return f"| {sink} | `{name.prometheus}` | {otel} | {name.kind.value} | {labels} | {name.help} |"


def test_page_for_users_has_the_table_as_it_is() -> None:
    found = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if "| `rrqmp_" in line]
    assert found == [row(name) for name in MetricName]


def test_names_are_those_that_dashboards_know() -> None:
    assert [name.prometheus for name in MetricName] == PROMETHEUS


@pytest.mark.parametrize("name", MetricName)
def test_names_keep_the_habits_of_their_systems(name: MetricName) -> None:
    assert re.fullmatch(r"rrqmp_[a-z_]+", name.prometheus)
    assert name.prometheus.endswith("_total") == (name.kind is Kind.COUNTER)
    assert re.fullmatch(r"rrqmp\.[a-z]+\.[a-z_]+", name.opentelemetry)
    assert not name.help.endswith(".")


def test_seed_names_are_kept_for_sinks() -> None:
    kept = {
        "activity_completed",
        "activity_retry",
        "activity_failed_non_retry",
        "activity_timeout",
        "activity_execution",
    }
    assert kept <= {name.value for name in MetricName if name.goes_to_sinks}


def test_bounds_rise_from_a_millisecond_to_an_hour() -> None:
    assert list(BOUNDS) == sorted(set(BOUNDS))
    assert (BOUNDS[0], BOUNDS[-1]) == (0.001, 3600)
