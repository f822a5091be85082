"""One trace from the submitter through workers and their children, as a collector gets it over the wire."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator

import pytest
from opentelemetry.sdk.trace import TracerProvider

from rrqmp import ActivityExecutor, ActivityTimedOut
from rrqmp.model.status import ActivityStatus
from rrqmp.store.embedded import EmbeddedServer
from tests.processes.conftest import Supervise
from tests.processes.harness import Queue, Supervised
from tests.telemetry.collector import Collector
from tests.telemetry.scraping import APPS

CONSUMER = 5
tracer = TracerProvider().get_tracer("test")


@pytest.fixture
def traced(supervise: Supervise, collector: Collector) -> Supervised:
    environment = {**collector.environment, "OTEL_SERVICE_NAME": "thumbs"}
    return supervise(app="traced:engine", app_dir=APPS, environment=environment)


@pytest.fixture
def executor(server: EmbeddedServer, queue: Queue) -> Iterator[ActivityExecutor]:
    with ActivityExecutor.connect(server.url, queue.keys.queue) as opened:
        yield opened


@pytest.mark.parametrize("kind", ["parent", "async_parent"])
def test_submitter_run_and_children_are_one_trace(
    traced: Supervised, executor: ActivityExecutor, collector: Collector, queue: Queue, kind: str
) -> None:
    with tracer.start_as_current_span("request") as root:
        future = executor.execute(kind, None)
    trace_id = format(root.get_span_context().trace_id, "032x")
    assert future.get_result(10) == trace_id
    outer = collector.one(f"process {kind}")
    inner = collector.one("process leaf")
    inside = collector.one("inside")
    assert {outer.trace_id, inner.trace_id, inside.trace_id} == {trace_id}
    assert outer.parent_id == format(root.get_span_context().span_id, "016x")
    assert (inner.parent_id, inside.parent_id) == (outer.span_id, inner.span_id)
    assert (outer.kind, outer.failed, outer.resource["service.name"]) == (CONSUMER, False, "thumbs")
    told = outer.attributes
    assert (told["messaging.system"], told["messaging.operation.type"]) == ("redis", "process")
    assert (told["messaging.destination.name"], told["messaging.message.id"]) == (queue.keys.queue, future.activity_id)
    assert (told["rrqmp.activity.outcome"], told["rrqmp.activity.attempt"]) == ("completed", 1)
    assert inner.attributes["rrqmp.activity.parent"] == future.activity_id
    assert outer.start <= inner.start <= inner.end <= outer.end


def test_killed_parent_keeps_its_place_in_the_trace(
    traced: Supervised, executor: ActivityExecutor, collector: Collector
) -> None:
    with tracer.start_as_current_span("request") as root:
        future = executor.execute("parent_that_hangs", None, timeout=1.5)
    killed = collector.one("process parent_that_hangs")
    inner = collector.one("process leaf")
    with pytest.raises(ActivityTimedOut):
        future.get_result(10)
    assert killed.failed
    assert killed.attributes["rrqmp.activity.outcome"] == "timed_out"
    assert killed.parent_id == format(root.get_span_context().span_id, "016x")
    # The child was submitted by a process that never exported its span: the successor's has the same id.
    assert inner.parent_id == killed.span_id
    assert 1.45 < (killed.end - killed.start) / 1e9 < 5
    assert killed.start <= inner.start <= inner.end <= killed.end
    assert killed.attributes["rrqmp.worker.pid"] != killed.resource["process.pid"]
    assert killed.events == ("exception",)


def test_each_crash_has_a_span_and_all_are_one_trace_without_a_submitters(
    traced: Supervised, collector: Collector, queue: Queue
) -> None:
    queue.ended(queue.submit("die"))
    spans = collector.named("process die", 3)
    assert len({span.trace_id for span in spans}) == 1
    assert len({span.span_id for span in spans}) == 3
    assert sorted(span.attributes["rrqmp.activity.attempt"] for span in spans) == [1, 2, 3]
    assert {span.attributes["rrqmp.worker.exit"] for span in spans} == {"SIGSEGV"}


def test_failure_tells_its_error_and_a_stop_loses_no_span(
    traced: Supervised, collector: Collector, queue: Queue
) -> None:
    queue.ended(queue.submit("refuse"))
    assert traced.send(signal.SIGTERM).exit_code() == 0
    span = collector.one("process refuse")
    assert span.failed
    assert (span.attributes["rrqmp.activity.outcome"], span.attributes["error.type"]) == (
        "failed",
        "rrqmp.errors.NonRetry",
    )
    assert span.events == ("exception",)


@pytest.mark.once
def test_collector_that_is_not_there_costs_no_outcome(supervise: Supervise, queue: Queue) -> None:
    running = supervise(
        app="traced:engine", app_dir=APPS, environment={"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"}
    )
    queue.all_ended(queue.submit_many("leaf", range(20)))
    began = time.monotonic()
    assert running.send(signal.SIGTERM).exit_code() == 0
    assert time.monotonic() - began < 8


@pytest.mark.once
@pytest.mark.parametrize("kind", ["hangs", "fails", "works"])
def test_provider_of_the_application_changes_no_outcome_whatever_it_does(
    supervise: Supervise, queue: Queue, collector: Collector, kind: str
) -> None:
    environment = {**collector.environment, "PROVIDER_KIND": kind}
    running = supervise(app="own_provider:engine", app_dir=APPS, workers=1, environment=environment)
    records = queue.all_ended(queue.submit_many("pid", range(5)))
    assert len({record.result for record in records}) == 1
    # Long enough for the spans before it: what ended just before a kill goes with the process.
    queue.ended(queue.submit("hang", timeout=1.5))
    [record] = queue.all_ended([queue.submit("pid")])
    assert record.status is ActivityStatus.COMPLETED
    if kind == "works":
        assert collector.one("process hang").attributes["rrqmp.activity.outcome"] == "timed_out"
        assert len(collector.named("process pid", 6)) == 6
    if kind == "fails":
        running.logged("a span could not be made or ended")
    assert running.send(signal.SIGTERM).exit_code() == 0
