"""Spans and counts of requests through a runner, as a collector gets them."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.processes.harness import eventually
from tests.runner.conftest import StartRunner
from tests.runner.harness import Running, Wire, cancel, request, runner_command
from tests.telemetry.collector import Collector

pytestmark = pytest.mark.once

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = "00f067aa0ba902b7"
TRACED = {
    "trace_context": {"traceparent": f"00-{TRACE}-{PARENT}-01", "tracestate": "v=1"},
    "correlation_context": {"tenant": "acme"},
}


@pytest.fixture
def collector() -> Iterator[Collector]:
    """Takes spans and metrics on this host."""
    with Collector() as running:
        yield running


def observed(start_runner: StartRunner, collector: Collector) -> Running:
    return start_runner(
        runner_command("acts_of_runner:registry", "--workers", "2"),
        RRQ_RUNNER_TELEMETRY="otel",
        OTEL_SERVICE_NAME="orders",
        OTEL_METRIC_EXPORT_INTERVAL="100",
        **collector.environment,
    )


def test_each_request_has_one_span_in_its_producers_trace_the_killed_ones_too(
    start_runner: StartRunner, collector: Collector
) -> None:
    runner = observed(start_runner, collector)
    wire = runner.connect()
    asked = [
        ("echo", {}, "success"),
        ("raises", {"kind": "retry", "delay": 2}, "retry"),
        ("stuck_in_c", {}, "timeout"),
        ("crash", {"how": "kill"}, "error"),
    ]
    for number, (function, params, status) in enumerate(asked, 1):
        seconds = 0.4 if status == "timeout" else 10.0
        assert wire.ask(function, params, context=TRACED, seconds=seconds)["status"] == status
        # A kill takes along what the process has not sent yet, so the next one must not come before.
        collector.named("rrq.runner", number)
    sent = request("asleep_in_c", context=TRACED)
    wire.send(sent)
    with Wire(runner.port) as other:
        other.send(cancel(sent))
    assert wire.read()["error"]["type"] == "cancelled"
    by_function = {span.attributes["rrq.function"]: span for span in collector.named("rrq.runner", 5)}
    assert len(by_function) == 5
    for span in by_function.values():
        assert (span.trace_id, span.parent_id, span.attributes["tenant"]) == (TRACE, PARENT, "acme")
        assert span.resource["service.name"] == "orders"
    told = {name: span.attributes["rrq.outcome"] for name, span in by_function.items()}
    assert told == {
        "echo": "success", "raises": "retry", "stuck_in_c": "timeout", "crash": "error", "asleep_in_c": "error",
    }  # fmt: skip
    assert by_function["raises"].attributes["rrq.retry_delay_ms"] == 2000
    assert by_function["crash"].attributes["rrq.error_type"] == "crashed"
    assert by_function["asleep_in_c"].attributes["rrq.error_type"] == "cancelled"
    assert 100 < by_function["stuck_in_c"].attributes["rrq.duration_ms"] < 5000


def test_counts_bear_the_names_of_the_rust_runner(start_runner: StartRunner, collector: Collector) -> None:
    runner = observed(start_runner, collector)
    wire = runner.connect()
    assert wire.ask("echo")["status"] == "success"
    eventually(lambda: "rrq_runner_channel_pressure" in collector.metrics, seen=lambda: sorted(collector.metrics))
    assert wire.ask("stuck_in_c", seconds=0.3)["status"] == "timeout"
    eventually(lambda: "rrq_deadline_expired_total" in collector.metrics, seen=lambda: sorted(collector.metrics))
    sent = request("asleep_in_c")
    wire.send(sent)
    with Wire(runner.port) as other:
        other.send(cancel(sent, by="job_id"))
    wire.read()
    expected = {
        "rrq_runner_inflight", "rrq_runner_channel_pressure", "rrq_runner_jobs_total", "rrq_runner_job_duration_ms",
        "rrq_deadline_expired_total", "rrq_cancellations_total",
    }  # fmt: skip
    eventually(lambda: expected <= set(collector.metrics), seen=lambda: sorted(collector.metrics))


def test_what_idle_workers_have_not_sent_yet_goes_out_at_the_stop(
    start_runner: StartRunner, collector: Collector
) -> None:
    # A stop waits half a second for it, which a machine that is busy with others may take for itself.
    for _ in range(3):
        collector.spans.clear()
        runner = observed(start_runner, collector)
        for number in range(20):
            assert runner.connect().ask("echo", {"n": number})["status"] == "success"
        assert runner.stop() < 2
        # Whatever was sent has come by now: the workers waited for the answer.
        if len(collector.spans) == 20:
            break
    assert len(collector.spans) == 20


def test_script_chooses_its_telemetry_in_the_call(
    start_runner: StartRunner, collector: Collector, tmp_path: Path
) -> None:
    text = """
        from rrqmp.runner import Registry, RunnerRuntime
        from rrqmp.runner.telemetry import OtelTelemetry, init_tracing

        registry = Registry()

        @registry.register
        def greet(request):
            return "hello"

        if __name__ == "__main__":
            runtime = RunnerRuntime()
            with runtime.enter():
                init_tracing("greeter")
            runtime.run_tcp_with(registry, None, OtelTelemetry())
    """
    (tmp_path / "script.py").write_text(textwrap.dedent(text))
    runner = start_runner([sys.executable, "script.py"], **collector.environment)
    assert runner.connect().ask("greet")["result"] == "hello"
    assert collector.one("rrq.runner").resource["service.name"] == "greeter"


def test_telemetry_that_raises_fails_no_request(start_runner: StartRunner, tmp_path: Path) -> None:
    text = """
        from rrqmp.runner import Registry

        class Broken:
            def __getattr__(self, name):
                def fail(*arguments, **options):
                    raise RuntimeError("no telemetry today")
                return fail

        registry = Registry(telemetry=Broken())
        registry.register("greet", lambda request: "hello")
        registry.register("stuck", lambda request: __import__("time").sleep(60))
    """
    (tmp_path / "broken.py").write_text(textwrap.dedent(text))
    runner = start_runner(runner_command("broken:registry"))
    wire = runner.connect()
    assert [wire.ask("greet")["result"] for _ in range(3)] == ["hello"] * 3
    assert wire.ask("stuck", seconds=0.3)["status"] == "timeout"
    assert wire.ask("greet")["result"] == "hello"
    runner.logged("telemetry failed")


def test_without_telemetry_no_worker_loads_its_libraries(start_runner: StartRunner, tmp_path: Path) -> None:
    text = """
        import sys
        from rrqmp.runner import Registry
        registry = Registry()
        registry.register("loaded", lambda request: sorted(sys.modules))
    """
    (tmp_path / "plain.py").write_text(textwrap.dedent(text))
    loaded = start_runner(runner_command("plain:registry")).connect().ask("loaded")["result"]
    assert "rrqmp.runner.execution" in loaded
    # The client library of Redis loads the SDK for itself where it is installed.
    assert not [name for name in loaded if name.startswith(("opentelemetry.exporter", "prometheus_client"))]
