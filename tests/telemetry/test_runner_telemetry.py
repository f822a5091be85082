"""Spans and metrics of the RRQ runner, as a collector gets them."""

from __future__ import annotations

import os
import time

import pytest
from opentelemetry import trace

from rrqmp.telemetry.runner import NoopTelemetry, OtelTelemetry, RunnerJob, init_tracing
from tests.telemetry.collector import Collector

PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


@pytest.fixture
def job() -> RunnerJob:
    """Waited for a second, and has five left."""
    return RunnerJob(
        job_id="j1",
        function="greet",
        queue="rrq:queue:default",
        attempt=2,
        worker_id="w1",
        enqueued_at=time.time() - 1,
        deadline=time.time() + 5,
        trace={"traceparent": PARENT, "tracestate": "v=1"},
        correlation={"tenant": "acme"},
    )


def test_span_continues_the_producers_trace(to_collector: Collector, job: RunnerJob) -> None:
    telemetry = OtelTelemetry("greeter")
    with telemetry.runner_span(job) as span:
        assert trace.get_current_span().get_span_context().is_valid
        span.ended("retry", error_message="busy", error_type="busy", retry_delay=2.5)
    telemetry.close()
    span = to_collector.one("rrq.runner")
    assert (span.trace_id, span.parent_id) == tuple(PARENT.split("-")[1:3])
    assert span.kind == 5
    assert span.failed
    assert span.resource["service.name"] == "greeter"
    told = span.attributes
    assert (told["rrq.job_id"], told["rrq.function"], told["rrq.attempt"]) == ("j1", "greet", 2)
    assert (told["messaging.system"], told["messaging.destination.name"]) == ("redis", "rrq:queue:default")
    assert (told["rrq.outcome"], told["rrq.retry_delay_ms"], told["rrq.error_message"]) == ("retry", 2500, "busy")
    assert told["tenant"] == "acme"
    assert told["rrq.queue_wait_ms"] >= 1000
    assert 0 < told["rrq.deadline_remaining_ms"] <= 5000


def test_span_of_a_killed_request_has_the_times_it_had(to_collector: Collector, job: RunnerJob) -> None:
    telemetry = OtelTelemetry()
    began = time.time() - 3
    telemetry.record_span(job, "timeout", began=began, ended=began + 2, error_message="killed at its deadline")
    telemetry.close()
    span = to_collector.one("rrq.runner")
    assert abs(span.end - span.start - 2e9) < 1e6
    assert 1999 < span.attributes["rrq.duration_ms"] < 2500


def test_metrics_have_the_names_of_the_rust_runner(to_collector: Collector) -> None:
    telemetry = OtelTelemetry()
    telemetry.inflight(2)
    telemetry.inflight(-1)
    telemetry.channel_pressure(3)
    telemetry.deadline_expired()
    telemetry.cancelled("request")
    telemetry.job_ended("greet", "success", 12.5)
    telemetry.close()
    metrics = to_collector.metrics
    assert metrics["rrq_runner_inflight"][0].as_int == 1
    assert metrics["rrq_runner_channel_pressure"][0].as_int == 3
    assert metrics["rrq_deadline_expired_total"][0].as_int == 1
    assert metrics["rrq_cancellations_total"][0].attributes[0].value.string_value == "request"
    assert metrics["rrq_runner_jobs_total"][0].as_int == 1
    assert metrics["rrq_runner_job_duration_ms"][0].sum == 12.5


def test_fork_gets_providers_of_its_own(to_collector: Collector, job: RunnerJob) -> None:
    telemetry = OtelTelemetry()
    with telemetry.runner_span(job):
        pass
    telemetry.close()
    pid = os.fork()
    if pid == 0:
        with telemetry.runner_span(job):
            pass
        telemetry.close()
        os._exit(0)
    os.waitpid(pid, 0)
    assert {span.resource["process.pid"] for span in to_collector.named("rrq.runner", 2)} == {os.getpid(), pid}


def test_without_an_endpoint_nothing_is_sent_and_nothing_fails(monkeypatch: pytest.MonkeyPatch, job: RunnerJob) -> None:
    for name in [name for name in os.environ if name.startswith("OTEL_")]:
        monkeypatch.delenv(name)
    init_tracing("greeter")
    telemetry = OtelTelemetry()
    with telemetry.runner_span(job) as span:
        span.ended("success")
    telemetry.job_ended("greet", "success", 1)
    began = time.monotonic()
    telemetry.close()
    assert time.monotonic() - began < 1


def test_noop_takes_everything(job: RunnerJob) -> None:
    telemetry = NoopTelemetry()
    with telemetry.runner_span(job) as span:
        span.ended("error")
    telemetry.inflight(1)
    telemetry.close()
