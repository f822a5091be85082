"""What the RRQ runner tells of its requests: the span `rrq.runner` and the metrics of the Rust runner, by their names.

Providers are made by the process that first uses them, never by the template, whose threads would not live in a fork.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final, Protocol

from rrqmp.telemetry.extras import import_extra

SPAN_NAME: Final = "rrq.runner"
_DEFAULT_SERVICE: Final = "rrq-runner"
_chosen_service = ""


class RunnerMetric(StrEnum):
    """Names as the Rust runner has them."""

    INFLIGHT = "rrq_runner_inflight"
    CHANNEL_PRESSURE = "rrq_runner_channel_pressure"
    DEADLINE_EXPIRED = "rrq_deadline_expired_total"
    CANCELLATIONS = "rrq_cancellations_total"
    JOBS = "rrq_runner_jobs_total"
    JOB_DURATION = "rrq_runner_job_duration_ms"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunnerJob:
    """One request, as far as its span tells of it. Times of day are seconds since 1970."""

    job_id: str
    function: str
    queue: str
    attempt: int
    worker_id: str = ""
    enqueued_at: float | None = None
    deadline: float | None = None
    trace: Mapping[str, str] | None = None
    correlation: Mapping[str, str] | None = None


class RunnerSpan(Protocol):
    """The span of one request that runs. What is not told by `ended` ends with the block, without an outcome."""

    def ended(
        self, outcome: str, *, error_message: str = "", error_type: str = "", retry_delay: float | None = None
    ) -> None:
        """How the request was answered: `success`, `retry`, `timeout`, `error`; the delay in seconds."""
        ...


class Telemetry(Protocol):
    """What `run_tcp_with` takes. All calls are cheap and none raises; `close` is the last one of a process."""

    def runner_span(self, job: RunnerJob) -> AbstractContextManager[RunnerSpan]:
        """The span of one request; it is the current one while the block runs."""
        ...

    def record_span(
        self,
        job: RunnerJob,
        outcome: str,
        *,
        began: float,
        ended: float,
        error_message: str = "",
        error_type: str = "",
    ) -> None:
        """The span of a request whose process is gone, told by another; times of day."""
        ...

    def inflight(self, change: int) -> None:
        """Requests that are taken and not answered: one more, or one less."""
        ...

    def channel_pressure(self, waiting: int) -> None:
        """Answers that wait to be written."""
        ...

    def deadline_expired(self) -> None:
        """A request was ended by its deadline."""
        ...

    def cancelled(self, scope: str) -> None:
        """A cancel came; scope `request` or `job`."""
        ...

    def job_ended(self, function: str, outcome: str, milliseconds: float) -> None:
        """A request was answered."""
        ...

    def close(self) -> None:
        """Sends what is left, for two seconds at most."""
        ...


class _NoSpan:
    def ended(
        self, outcome: str, *, error_message: str = "", error_type: str = "", retry_delay: float | None = None
    ) -> None:
        pass


class NoopTelemetry:
    """Tells nobody anything."""

    @contextmanager
    def runner_span(self, job: RunnerJob) -> Iterator[RunnerSpan]:
        """No span."""
        yield _NoSpan()

    def record_span(
        self,
        job: RunnerJob,
        outcome: str,
        *,
        began: float,
        ended: float,
        error_message: str = "",
        error_type: str = "",
    ) -> None:
        """No span."""

    def inflight(self, change: int) -> None:
        """Not counted."""

    def channel_pressure(self, waiting: int) -> None:
        """Not counted."""

    def deadline_expired(self) -> None:
        """Not counted."""

    def cancelled(self, scope: str) -> None:
        """Not counted."""

    def job_ended(self, function: str, outcome: str, milliseconds: float) -> None:
        """Not counted."""

    def close(self) -> None:
        """Nothing is left."""


def init_tracing(service_name: str = _DEFAULT_SERVICE) -> None:
    """Chooses the service's name for `OtelTelemetry`; `OTEL_SERVICE_NAME` goes before it.

    Where to is `OTEL_EXPORTER_OTLP_ENDPOINT`'s affair. Nothing is opened here. Raises `ConfigurationError` without the
    extra `otel`.
    """
    global _chosen_service  # noqa: PLW0603 - the Rust runner's call has no object that it could be kept in
    import_extra("rrqmp.telemetry.otlp", "otel", "init_tracing")
    _chosen_service = service_name


class OtelTelemetry:
    """Spans and metrics to where the environment says; without `OTEL_EXPORTER_OTLP_ENDPOINT` or its kin to nobody."""

    def __init__(self, service_name: str = "") -> None:
        import_extra("rrqmp.telemetry.otlp", "otel", "OtelTelemetry")
        self._service = service_name
        self._opened: tuple[int, _Instruments] | None = None

    @property
    def service_name(self) -> str:
        """Under what name it exports, where the environment does not say."""
        return self._service or _chosen_service or _DEFAULT_SERVICE

    @contextmanager
    def runner_span(self, job: RunnerJob) -> Iterator[RunnerSpan]:
        """The span of one request, current while the block runs."""
        from opentelemetry import trace

        span = _start(self._instruments().tracer, job, time.time())
        told = OtelRunnerSpan(span, time.monotonic())
        with trace.use_span(span, end_on_exit=True, record_exception=False, set_status_on_exception=False):
            yield told

    def record_span(
        self,
        job: RunnerJob,
        outcome: str,
        *,
        began: float,
        ended: float,
        error_message: str = "",
        error_type: str = "",
    ) -> None:
        """The span of a request whose process is gone."""
        span = _start(self._instruments().tracer, job, began)
        told = OtelRunnerSpan(span, time.monotonic() - max(0.0, ended - began))
        told.ended(outcome, error_message=error_message, error_type=error_type)
        span.end(_ns(ended))

    def inflight(self, change: int) -> None:
        """An up-down counter."""
        self._instruments().inflight.add(change)

    def channel_pressure(self, waiting: int) -> None:
        """A gauge."""
        self._instruments().pressure.set(waiting)

    def deadline_expired(self) -> None:
        """A counter."""
        self._instruments().expired.add(1)

    def cancelled(self, scope: str) -> None:
        """A counter by `scope`."""
        self._instruments().cancellations.add(1, {"scope": scope})

    def job_ended(self, function: str, outcome: str, milliseconds: float) -> None:
        """A counter and a histogram by `function` and `outcome`."""
        attributes = {"function": function, "outcome": outcome}
        self._instruments().jobs.add(1, attributes)
        self._instruments().durations.record(milliseconds, attributes)

    def close(self) -> None:
        """Sends what is left, for two seconds at most."""
        opened, self._opened = self._opened, None
        if opened is not None and opened[0] == os.getpid():
            opened[1].close()

    def _instruments(self) -> _Instruments:
        opened = self._opened
        if opened is None or opened[0] != os.getpid():
            # The first use in this process: what a parent has is of no use, since its threads did not come along.
            opened = self._opened = (os.getpid(), _Instruments(self.service_name))
        return opened[1]


class _Instruments:
    """The providers of one process and what is made of them."""

    def __init__(self, service: str) -> None:
        # `Any`: the module stands on an extra.
        self._otlp: Any = import_extra("rrqmp.telemetry.otlp", "otel", "OtelTelemetry")
        # Unset is off here, as in the Rust runner: nobody may be listening on this host.
        self._spans = self._otlp.make_tracer_provider(service, unset_is_off=True)
        self._metrics = self._otlp.make_meter_provider(service, unset_is_off=True)
        self.tracer = self._spans.get_tracer("rrqmp.runner")
        meter = self._metrics.get_meter("rrqmp.runner")
        self.inflight = meter.create_up_down_counter(RunnerMetric.INFLIGHT)
        self.pressure = meter.create_gauge(RunnerMetric.CHANNEL_PRESSURE)
        self.expired = meter.create_counter(RunnerMetric.DEADLINE_EXPIRED)
        self.cancellations = meter.create_counter(RunnerMetric.CANCELLATIONS)
        self.jobs = meter.create_counter(RunnerMetric.JOBS)
        self.durations = meter.create_histogram(RunnerMetric.JOB_DURATION, unit="ms")

    def close(self) -> None:
        self._otlp.shut_down(lambda: (self._spans.shutdown(), self._metrics.shutdown()))


class OtelRunnerSpan:
    """A span that is under way."""

    def __init__(self, span: Any, began: float) -> None:
        self._span = span
        self._began = began

    def ended(
        self, outcome: str, *, error_message: str = "", error_type: str = "", retry_delay: float | None = None
    ) -> None:
        """Its outcome, and what went wrong."""
        from opentelemetry.trace import Status, StatusCode

        span = self._span
        span.set_attribute("rrq.outcome", outcome)
        span.set_attribute("rrq.duration_ms", (time.monotonic() - self._began) * 1000)
        if retry_delay is not None:
            span.set_attribute("rrq.retry_delay_ms", retry_delay * 1000)
        if error_type:
            span.set_attribute("rrq.error_type", error_type)
        if outcome != "success":
            span.set_attribute("rrq.error_message", error_message)
            span.set_status(Status(StatusCode.ERROR, error_message or outcome))


def _start(tracer: Any, job: RunnerJob, began: float) -> Any:
    from opentelemetry.trace import SpanKind
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    return tracer.start_span(
        SPAN_NAME,
        context=TraceContextTextMapPropagator().extract(dict(job.trace or {})),
        kind=SpanKind.CONSUMER,
        attributes=span_attributes(job, began),
        start_time=_ns(began),
    )


def span_attributes(job: RunnerJob, began: float) -> dict[str, str | int | float]:
    """What is known when a request starts; each correlation pair stands under its own name, and hides none of these."""
    attributes: dict[str, str | int | float] = dict(job.correlation or {})
    attributes |= {
        "messaging.system": "redis",
        "messaging.destination.name": job.queue,
        "messaging.operation": "process",
        "rrq.job_id": job.job_id,
        "rrq.function": job.function,
        "rrq.queue": job.queue,
        "rrq.attempt": job.attempt,
    }
    if job.worker_id:
        attributes["rrq.worker_id"] = job.worker_id
    if job.enqueued_at is not None:
        attributes["rrq.queue_wait_ms"] = max(0.0, (began - job.enqueued_at) * 1000)
    if job.deadline is not None:
        attributes["rrq.deadline"] = datetime.fromtimestamp(job.deadline, UTC).isoformat()
        attributes["rrq.deadline_remaining_ms"] = (job.deadline - began) * 1000
    return attributes


def _ns(seconds: float) -> int:
    return round(seconds * 1e9)
