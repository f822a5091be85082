"""The worker's side of telemetry: a span and counts for each request, and nothing of it can fail one."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from contextlib import ExitStack
from datetime import datetime
from typing import Final

from rrqmp.runner.accounts import read_account
from rrqmp.runner.messages import OutcomeStatus, WireContext, WireRequest
from rrqmp.runner.outcome import ExecutionOutcome
from rrqmp.runner.request import moment_of
from rrqmp.telemetry.runner import RunnerJob, RunnerSpan, Telemetry

_log: Final = logging.getLogger(__name__)
_NS_A_MILLISECOND: Final = 1e6


class Teller:
    """Tells one process's telemetry; what that raises is logged once and passed over."""

    def __init__(self, telemetry: Telemetry) -> None:
        self._telemetry = telemetry
        self._complained = False

    def around(
        self, wire: WireRequest, waiting: int, run: Callable[[], tuple[bytes, ExecutionOutcome, OutcomeStatus]]
    ) -> bytes:
        """Runs one request inside its span; the body of its answer."""
        began = time.monotonic_ns()
        with ExitStack() as stack:
            span: RunnerSpan | None = None
            try:
                self._telemetry.inflight(1)
                self._telemetry.channel_pressure(waiting)
                span = stack.enter_context(self._telemetry.runner_span(_job(wire)))
            except Exception:  # noqa: BLE001 - a sink of somebody's own
                self._complain()
            body, outcome, status = run()
            if span is not None:
                self._end(span, outcome, status)
        self._safely(lambda: self._telemetry.inflight(-1))
        milliseconds = (time.monotonic_ns() - began) / _NS_A_MILLISECOND
        self._safely(lambda: self._telemetry.job_ended(wire.function_name, status.value, milliseconds))
        return body

    def tell(self, encoded: bytes) -> None:
        """One request that no worker ended."""
        self._safely(lambda: self._tell(encoded))

    def close(self) -> None:
        """Sends what is left."""
        self._safely(self._telemetry.close)

    def _tell(self, encoded: bytes) -> None:
        account, telemetry = read_account(encoded), self._telemetry
        job = _job_of(account.job_id, account.function_name, account.context)
        telemetry.record_span(
            job,
            account.outcome.value,
            began=account.began,
            ended=account.ended,
            error_message=account.message,
            error_type=account.kind,
        )
        if account.begun:
            # Its own process counted one more, and cannot count it off.
            telemetry.inflight(-1)
        if account.outcome is OutcomeStatus.TIMEOUT:
            telemetry.deadline_expired()
        if account.scope:
            telemetry.cancelled(account.scope)
        telemetry.job_ended(account.function_name, account.outcome.value, (account.ended - account.began) * 1000)

    def _end(self, span: RunnerSpan, outcome: ExecutionOutcome, status: OutcomeStatus) -> None:
        fault = outcome.fault
        self._safely(
            lambda: span.ended(
                status.value,
                error_message=str(fault.message) if fault else "",
                error_type=(fault.type or "") if fault else "",
                retry_delay=outcome.retry_after_seconds if status is OutcomeStatus.RETRY else None,
            )
        )

    def _safely(self, call: Callable[[], None]) -> None:
        try:
            call()
        except Exception:  # noqa: BLE001 - a sink of somebody's own
            self._complain()

    def _complain(self) -> None:
        if not self._complained:
            self._complained = True
            _log.exception("telemetry failed; it is told of further requests, and this is not logged again")


def _job(wire: WireRequest) -> RunnerJob:
    return _job_of(wire.job_id, wire.function_name, wire.context)


def _job_of(job_id: str, function: str, context: WireContext) -> RunnerJob:
    return RunnerJob(
        job_id=job_id,
        function=function,
        queue=context.queue_name,
        attempt=context.attempt,
        worker_id=context.worker_id or "",
        enqueued_at=_seconds(moment_of(context.enqueue_time)),
        deadline=_seconds(context.deadline),
        trace=context.trace_context,
        correlation=context.correlation_context,
    )


def _seconds(moment: datetime | None) -> float | None:
    return moment.timestamp() if moment else None
