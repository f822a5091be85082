"""What `tracing` takes, and what it says where the SDK is not installed; what a submission takes along."""

from __future__ import annotations

import importlib.util
import sys
from typing import Any

import msgspec
import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import INVALID_SPAN, use_span

from rrqmp import ConfigurationError, OpenTelemetryMetrics, WorkerEngine
from rrqmp.client.preparation import Preparer
from rrqmp.model.spec import Spec, split_spec
from rrqmp.telemetry import extras
from rrqmp.telemetry.carrier import current_carrier

tracer = TracerProvider().get_tracer("test")


@pytest.mark.parametrize("wrong", [1, "yes", object()])
def test_tracing_is_true_or_a_function(wrong: Any) -> None:
    with pytest.raises(ConfigurationError, match="TracerProvider"):
        WorkerEngine(tracing=wrong)


def test_tracing_is_off_unless_asked_for() -> None:
    assert not WorkerEngine().tracing
    assert WorkerEngine.builder().tracing().build().tracing is True
    assert WorkerEngine(tracing=TracerProvider).tracing is TracerProvider


def test_missing_sdk_is_named_with_its_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name.startswith("opentelemetry.sdk") else find_spec(name)
    )
    with pytest.raises(ConfigurationError, match=r"pip install rrqmp\[otel\]"):
        WorkerEngine(tracing=True)


def test_missing_exporter_is_named_when_the_sink_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> Any:
        raise ModuleNotFoundError("no", name="opentelemetry.exporter")

    monkeypatch.setattr(extras.importlib, "import_module", missing)
    with pytest.raises(ConfigurationError, match=r"OpenTelemetryMetrics .* pip install rrqmp\[otel\]"):
        OpenTelemetryMetrics()


def spec_of(preparer: Preparer, **options: Any) -> Spec:
    return split_spec(preparer.one("echo", 1, options, "").submission.spec)[0]


@pytest.mark.parametrize("options", [{}, {"timeout": 5}, {"key": "k"}])
def test_submission_takes_the_current_span_along_and_nothing_without_one(options: dict[str, Any]) -> None:
    preparer = Preparer()
    assert spec_of(preparer, **options).trace is None
    with tracer.start_as_current_span("request") as span:
        trace = spec_of(preparer, **options).trace
    assert trace is not None
    assert format(span.get_span_context().trace_id, "032x") in trace["traceparent"]
    assert spec_of(preparer, **options).trace is None


def test_bulk_takes_it_along_too() -> None:
    with tracer.start_as_current_span("request"):
        submissions, _ = Preparer().many("echo", [1, 2], None, {}, "")
    traces = [split_spec(submission.spec)[0].trace for submission in submissions]
    assert traces[0] is not None
    assert traces[0] == traces[1]


def test_prepared_submission_is_the_same_bytes_whenever_it_is_sent() -> None:
    with tracer.start_as_current_span("request"):
        prepared = Preparer().one("echo", 1, {}, "")
    assert msgspec.json.decode(prepared.submission.spec.split(b"\n")[0])["trace"]


def test_no_carrier_without_a_recording_or_without_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    with use_span(INVALID_SPAN):
        assert current_carrier() is None
    with tracer.start_as_current_span("request"):
        assert current_carrier() is not None
        monkeypatch.delitem(sys.modules, "opentelemetry.trace")
        assert current_carrier() is None
