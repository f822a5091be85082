"""A span for each attempt, where the application asked for them; what goes wrong with one changes no outcome."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from rrqmp.handling.context import ActivityContext
from rrqmp.handling.invocation import BoundHandler
from rrqmp.handling.outcome import Outcome, Raised, Released
from rrqmp.model.activity import ActivityRecord
from rrqmp.model.attempt import AttemptKind
from rrqmp.model.spec import Spec
from rrqmp.shared_state.exit_report import BrokenAttempt, ExitReport
from rrqmp.store.calls.cycle import Claim
from rrqmp.telemetry.delivery import Courier

if TYPE_CHECKING:
    # It stands on an extra, and is imported where somebody wants spans.
    from rrqmp.telemetry.tracing import AttemptSpan, Tracer

TracerFactory = Callable[[], Any]
_RELEASED: Final = "released"
_LAST_SPANS_SECONDS: Final = 1.0
_log: Final = logging.getLogger(__name__)


class RunningSpan:
    """One attempt's span, or none where it could not be made."""

    __slots__ = ("_span", "_tracing")

    def __init__(self, tracing: AttemptTracing, span: AttemptSpan | None) -> None:
        self._tracing = tracing
        self._span = span

    def run(self, bound: BoundHandler, payload: bytes, context: ActivityContext) -> Outcome:
        """Calls the handler with its span as the current one."""
        if self._span is None:
            return bound.invoke(payload, context)
        with self._span.current():
            return bound.invoke(payload, context)

    def end(self, outcome: Outcome, *, cancelled: bool) -> None:
        """Outside the deadline: what an exporter does is not the activity's fault."""
        if self._span is not None:
            self._tracing.end(self._span, outcome, cancelled=cancelled)


class AttemptTracing:
    """The provider is made when the first span is: after the fork, and never in a spare."""

    def __init__(self, make: TracerFactory | None, queues: list[str], node: str) -> None:
        self._make = make
        self._queues = queues
        self._node = node
        self._tracer: Tracer | None = None
        self._told = False
        self._opening = threading.Lock()
        # An application's own provider may do anything, and where a span ends there is no deadline.
        self._courier: Courier[Callable[[], object]] | None = None
        if make is not None:
            self._courier = Courier("the tracer provider", self.guard)

    def begin(self, claim: Claim, queue: int, token: str, spec: Spec) -> RunningSpan:
        """The span of an attempt that is about to run."""
        return RunningSpan(self, self.guard(lambda: self._begin(claim, self._queues[queue], token, spec)))

    def end(self, span: AttemptSpan, outcome: Outcome, *, cancelled: bool) -> None:
        """The attempt is over, and what it came to is known."""
        at = time.time()
        self._later(lambda: _finish(span, outcome, at, cancelled=cancelled))

    def broken(self, report: ExitReport, broken: BrokenAttempt, record: ActivityRecord) -> None:
        """The span of an attempt that died with its process, with the times that it had."""
        self._later(lambda: self._tell_of(report, broken, record))

    def close(self) -> None:
        """The worker leaves: what is left is exported, within two seconds."""
        if self._courier is not None:
            self._courier.close(lambda: None, _LAST_SPANS_SECONDS)
        tracer, self._tracer = self._tracer, None
        if tracer is not None:
            self.guard(tracer.close)

    def guard(self, call: Callable[[], Any]) -> Any:
        """What it returns; `None` if it raises, which is logged once."""
        try:
            return call()
        except BaseException as error:
            if not self._told:
                self._told = True
                _log.error("a span could not be made or ended; this is told once a worker", exc_info=error)
            return None

    def _begin(self, claim: Claim, queue: str, token: str, spec: Spec) -> AttemptSpan:
        from rrqmp.telemetry.tracing import TracedAttempt

        attempt = TracedAttempt(
            queue=queue,
            activity_id=claim.activity_id,
            activity_type=claim.activity_type,
            attempt=claim.attempt,
            token=token,
            node=self._node,
            pid=os.getpid(),
            carrier=spec.trace,
            parent=spec.parent,
            waited_seconds=claim.waited_us / 1e6,
        )
        return self._open().begin(attempt)

    def _later(self, call: Callable[[], object]) -> None:
        if self._courier is None:
            self.guard(call)
        else:
            self._courier.send(call)

    def _tell_of(self, report: ExitReport, broken: BrokenAttempt, record: ActivityRecord) -> None:
        from rrqmp.telemetry.tracing import Failure, TracedAttempt

        attempt = TracedAttempt(
            queue=broken.queue,
            activity_id=broken.activity_id,
            activity_type=broken.activity_type,
            attempt=broken.attempt,
            token=broken.token,
            node=self._node,
            pid=report.pid,
            carrier=record.spec.trace,
            parent=record.spec.parent,
        )
        more: dict[str, str | int] = {"rrqmp.worker.exit": report.signal or f"exit code {report.exit_code}"}
        if report.where:
            more["rrqmp.activity.where"] = report.where
        span = self._open().begin(attempt, at=report.ended_at - broken.run_seconds)
        failure = Failure(error=broken.kind.value, message=report.describe(), traceback=report.stack)
        span.ended(broken.kind.value, failure, at=report.ended_at, more=more)

    def _open(self) -> Tracer:
        # The courier opens it where the first span is that of a predecessor.
        with self._opening:
            if self._tracer is None:
                from rrqmp.telemetry.tracing import Tracer

                self._tracer = Tracer(self._make)
            return self._tracer


def open_tracing(choice: object, queues: list[str], node: str) -> AttemptTracing | None:
    """What an application's `tracing` asks for: nothing, `True`, or a function that makes a provider."""
    if not choice:
        return None
    return AttemptTracing(choice if callable(choice) else None, queues, node)


def _finish(span: AttemptSpan, outcome: Outcome, at: float, *, cancelled: bool) -> None:
    from rrqmp.telemetry.tracing import Failure

    if isinstance(outcome, Raised):
        kind = AttemptKind.TIMED_OUT if outcome.timed_out else AttemptKind.FAILED
        if cancelled:
            # Whatever it raised: so its activity has ended.
            kind = AttemptKind.CANCELLED
        failure = Failure(error=outcome.error, message=outcome.message, traceback=outcome.traceback)
        span.ended(kind.value, failure, at=at)
    else:
        span.ended(_RELEASED if isinstance(outcome, Released) else AttemptKind.COMPLETED.value, at=at)
