"""A span for each attempt, where the application asked for them; what goes wrong with one changes no outcome."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

from rrqmp.handling.context import ActivityContext
from rrqmp.handling.invocation import BoundHandler
from rrqmp.handling.outcome import Outcome, Raised, Released
from rrqmp.model.activity import ActivityRecord
from rrqmp.model.attempt import AttemptKind
from rrqmp.model.spec import Spec
from rrqmp.shared_state.exit_report import BrokenAttempt, ExitReport
from rrqmp.store.calls.cycle import Claim

if TYPE_CHECKING:
    # It stands on an extra, and is imported where somebody wants spans.
    from rrqmp.telemetry.tracing import AttemptSpan, TracedAttempt, Tracer

TracerFactory = Callable[[], Any]
_RELEASED: Final = "released"
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

    def end(self, outcome: Outcome) -> None:
        """Outside the deadline: an exporter that takes its time is not the activity's fault."""
        span = self._span
        if span is not None:
            self._tracing.guard(lambda: span.ended(*_ending(outcome)))


class AttemptTracing:
    """The provider is made when the first span is: after the fork, and never in a spare."""

    def __init__(self, make: TracerFactory | None, queues: list[str], node: str) -> None:
        self._make = make
        self._queues = queues
        self._node = node
        self._tracer: Tracer | None = None
        self._told = False

    def begin(self, claim: Claim, queue: int, token: str, spec: Spec) -> RunningSpan:
        """The span of an attempt that is about to run."""
        span = self.guard(
            lambda: self._open().begin(
                self._attempt(
                    claim.activity_id,
                    claim.activity_type,
                    self._queues[queue],
                    claim.attempt,
                    token,
                    os.getpid(),
                    spec,
                    claim.waited_us / 1e6,
                )
            )
        )
        return RunningSpan(self, span)

    def broken(self, report: ExitReport, broken: BrokenAttempt, record: ActivityRecord) -> None:
        """The span of an attempt that died with its process, with the times that it had."""
        self.guard(lambda: self._tell_of(report, broken, record))

    def close(self) -> None:
        """The worker leaves: what is left is exported, within two seconds."""
        tracer, self._tracer = self._tracer, None
        if tracer is not None:
            self.guard(tracer.close)

    def guard(self, call: Callable[[], Any]) -> Any:
        """What it returns; `None` if it raises, which is logged once."""
        try:
            return call()
        except Exception as error:
            if not self._told:
                self._told = True
                _log.error("a span could not be made or ended; this is told once a worker", exc_info=error)
            return None

    def _tell_of(self, report: ExitReport, broken: BrokenAttempt, record: ActivityRecord) -> None:
        from rrqmp.telemetry.tracing import Failure

        attempt = self._attempt(
            broken.activity_id,
            broken.activity_type,
            broken.queue,
            broken.attempt,
            broken.token,
            report.pid,
            record.spec,
        )
        more: dict[str, str | int] = {"rrqmp.worker.exit": report.signal or f"exit code {report.exit_code}"}
        if report.where:
            more["rrqmp.activity.where"] = report.where
        span = self._open().begin(attempt, at=report.ended_at - broken.run_seconds)
        failure = Failure(error=broken.kind.value, message=report.describe(), traceback=report.stack)
        span.ended(broken.kind.value, failure, at=report.ended_at, more=more)

    def _attempt(
        self,
        activity_id: str,
        activity_type: str,
        queue: str,
        attempt: int,
        token: str,
        pid: int,
        spec: Spec,
        waited_seconds: float | None = None,
    ) -> TracedAttempt:
        from rrqmp.telemetry.tracing import TracedAttempt

        carrier: Mapping[str, str] | None = spec.trace
        return TracedAttempt(
            queue=queue,
            activity_id=activity_id,
            activity_type=activity_type,
            attempt=attempt,
            token=token,
            node=self._node,
            pid=pid,
            carrier=carrier,
            parent=spec.parent,
            waited_seconds=waited_seconds,
        )

    def _open(self) -> Tracer:
        if self._tracer is None:
            from rrqmp.telemetry.tracing import Tracer

            self._tracer = Tracer(self._make)
        return self._tracer


def open_tracing(choice: object, queues: list[str], node: str) -> AttemptTracing | None:
    """What an application's `tracing` asks for: nothing, `True`, or a function that makes a provider."""
    if not choice:
        return None
    return AttemptTracing(choice if callable(choice) else None, queues, node)


def _ending(outcome: Outcome) -> tuple[Any, ...]:
    from rrqmp.telemetry.tracing import Failure

    if isinstance(outcome, Raised):
        kind = AttemptKind.TIMED_OUT if outcome.timed_out else AttemptKind.FAILED
        return kind.value, Failure(error=outcome.error, message=outcome.message, traceback=outcome.traceback)
    return (_RELEASED if isinstance(outcome, Released) else AttemptKind.COMPLETED.value,)
