"""The span of an attempt: made in the worker that runs it, or by the successor of one that was killed.

One trace goes from whoever submitted an activity to all that its handlers submit in turn. The attempt's span has an id
that can be computed from its token, so that the span which a successor makes is the very parent that the children of
the killed attempt name. Stands on the SDK, an extra: imported below a supervisor only, where tracing was asked for.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from opentelemetry import trace
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.trace import SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from rrqmp.telemetry import otlp
from rrqmp.version import __version__

_NS: Final = 1e9
_propagator: Final = TraceContextTextMapPropagator()


@dataclass(frozen=True, slots=True, kw_only=True)
class TracedAttempt:
    """What a span tells of its attempt from the start. `token` is the claim's; `carrier` the submitter's headers."""

    queue: str
    activity_id: str
    activity_type: str
    attempt: int
    token: str
    node: str
    pid: int
    carrier: Mapping[str, str] | None = None
    parent: str = ""
    waited_seconds: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """What went wrong, as an exception event tells it."""

    error: str
    message: str = ""
    traceback: str = ""


class AttemptSpan:
    """A span that is under way; `ended` is its last call."""

    __slots__ = ("_span",)

    def __init__(self, span: Any) -> None:
        self._span = span

    def current(self) -> contextlib.AbstractContextManager[Any]:
        """Inside the block it is the current span: what is submitted there becomes its child."""
        return trace.use_span(self._span, end_on_exit=False, record_exception=False, set_status_on_exception=False)

    def ended(
        self,
        outcome: str,
        failure: Failure | None = None,
        *,
        at: float | None = None,
        more: Mapping[str, str | int] | None = None,
    ) -> None:
        """How the attempt ended, a word of `AttemptKind`, and when, in seconds since 1970; now if nothing is said."""
        span, end = self._span, None if at is None else round(at * _NS)
        span.set_attribute("rrqmp.activity.outcome", outcome)
        for name, value in (more or {}).items():
            span.set_attribute(name, value)
        if failure is not None:
            span.set_attribute("error.type", failure.error or outcome)
            span.set_status(Status(StatusCode.ERROR, f"{failure.error}: {failure.message}"[:1024]))
            event = {"exception.type": failure.error, "exception.message": failure.message}
            if failure.traceback:
                event["exception.stacktrace"] = failure.traceback
            span.add_event("exception", event, timestamp=end)
        span.end(end)


class Tracer:
    """The provider of one worker process. `make` is the application's own, by default one that exports by OTLP."""

    def __init__(self, make: Callable[[], Any] | None = None) -> None:
        self._provider: Any = otlp.make_tracer_provider() if make is None else make()
        ids = getattr(self._provider, "id_generator", None)
        if isinstance(ids, IdGenerator) and not isinstance(ids, otlp.DirectedIds):
            # Any provider of the SDK; of one that is not, killed attempts get spans that their children do not name.
            ids = self._provider.id_generator = otlp.DirectedIds(ids)
        self._ids = ids if isinstance(ids, otlp.DirectedIds) else None
        if isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider):
            # What handlers and their libraries make of spans goes the same way, unless the application chose another.
            trace.set_tracer_provider(self._provider)
        self._tracer: Any = self._provider.get_tracer("rrqmp", __version__)

    def begin(self, attempt: TracedAttempt, at: float | None = None) -> AttemptSpan:
        """The span of an attempt that begins now, or that began then, in seconds since 1970, in a process now gone."""
        return AttemptSpan(self._start(attempt, None if at is None else round(at * _NS)))

    def close(self) -> None:
        """Exports what is left, for two seconds at most."""
        otlp.shut_down(self._provider.shutdown)

    def _start(self, attempt: TracedAttempt, start_ns: int | None) -> Any:
        with self._directed(attempt):
            return self._tracer.start_span(
                f"process {attempt.activity_type}",
                context=_propagator.extract(dict(attempt.carrier or {})),
                kind=SpanKind.CONSUMER,
                attributes=_attributes(attempt),
                start_time=start_ns,
            )

    def _directed(self, attempt: TracedAttempt) -> contextlib.AbstractContextManager[None]:
        if self._ids is None:
            return contextlib.nullcontext()
        # All attempts of an activity that nobody's trace led to are one trace.
        return self._ids.directed(_digest(attempt.activity_id, 16), _digest(attempt.activity_id + attempt.token, 8))


def _digest(text: str, size: int) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=size).digest()) or 1


def _attributes(attempt: TracedAttempt) -> dict[str, str | int | float]:
    attributes: dict[str, str | int | float] = {
        "messaging.system": "redis",
        "messaging.operation.type": "process",
        "messaging.operation.name": "process",
        "messaging.destination.name": attempt.queue,
        "messaging.message.id": attempt.activity_id,
        "messaging.client.id": attempt.node,
        "rrqmp.activity.type": attempt.activity_type,
        "rrqmp.activity.attempt": attempt.attempt,
        "rrqmp.worker.pid": attempt.pid,
    }
    if attempt.parent:
        attributes["rrqmp.activity.parent"] = attempt.parent
    if attempt.waited_seconds is not None:
        attributes["rrqmp.activity.queue_wait"] = attempt.waited_seconds
    return attributes
