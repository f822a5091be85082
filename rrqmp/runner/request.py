"""What a handler is given: one attempt of a job, its parameters, and what the orchestrator says of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

import msgspec

from rrqmp.runner.messages import PROTOCOL_VERSION, WireRequest
from rrqmp.runner.outcome import ExecutionOutcome


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutionContext:
    """`attempt` counts from 1; `deadline` is the orchestrator's, a moment before which the process is killed."""

    job_id: str
    attempt: int = 1
    enqueue_time: datetime | None = None
    queue_name: str = ""
    deadline: datetime | None = None
    trace_context: Mapping[str, str] = field(default_factory=dict)
    correlation_context: Mapping[str, str] = field(default_factory=dict)
    worker_id: str | None = None


@dataclass(frozen=True, slots=True)
class ExecutionRequest:
    """One attempt of one job; its methods make the outcomes that answer it."""

    job_id: str
    request_id: str
    function_name: str
    params: dict[str, Any] = field(default_factory=dict)
    context: ExecutionContext = field(default_factory=lambda: ExecutionContext(job_id=""))
    protocol_version: str = PROTOCOL_VERSION

    def success(self, result: Any = None) -> ExecutionOutcome:
        """The job is done; `result` is anything that JSON holds."""
        return ExecutionOutcome.success(self.job_id, self.request_id, result)

    def failure(self, message: str, *, details: Any = None) -> ExecutionOutcome:
        """The attempt failed; the orchestrator tries again while the job has attempts left."""
        return ExecutionOutcome.error(self.job_id, self.request_id, message, details=details)

    def error(
        self, message: str, *, kind: str | None = None, code: str | None = None, details: Any = None
    ) -> ExecutionOutcome:
        """As `failure`, with a type and a code; the orchestrator stores the message alone."""
        return ExecutionOutcome.error(self.job_id, self.request_id, message, kind=kind, code=code, details=details)

    def retry(self, message: str, retry_after_seconds: float | None = None) -> ExecutionOutcome:
        """Try again, after so many seconds or after the orchestrator's own delay."""
        return ExecutionOutcome.retry(self.job_id, self.request_id, message, retry_after_seconds)

    def retry_after(self, message: str, seconds: float) -> ExecutionOutcome:
        """Try again after so many seconds."""
        return ExecutionOutcome.retry(self.job_id, self.request_id, message, seconds)

    def timeout(self, message: str = "handler gave up") -> ExecutionOutcome:
        """It took too long: the job goes to the dead-letter queue, whatever attempts it has left."""
        return ExecutionOutcome.timeout(self.job_id, self.request_id, message)

    def cancelled(self, message: str = "Job cancelled") -> ExecutionOutcome:
        """The handler gave way to a cancel; to the orchestrator this is an error like others, and retried."""
        return ExecutionOutcome.cancelled(self.job_id, self.request_id, message)

    def handler_not_found(self, message: str = "") -> ExecutionOutcome:
        """Nobody here can do this: the job goes to the dead-letter queue, whatever attempts it has left."""
        text = message or f"No handler registered for function {self.function_name!r}"
        return ExecutionOutcome.handler_not_found(self.job_id, self.request_id, text)


def read_request(wire: WireRequest) -> ExecutionRequest:
    """The handler's view of a message. Raises `msgspec.MsgspecError` or `ValueError` where its parameters are unfit."""
    context = wire.context
    return ExecutionRequest(
        wire.job_id,
        wire.request_id,
        wire.function_name,
        _params.decode(wire.params) or {},
        ExecutionContext(
            job_id=context.job_id,
            attempt=context.attempt,
            enqueue_time=moment_of(context.enqueue_time),
            queue_name=context.queue_name,
            deadline=context.deadline,
            trace_context=context.trace_context or {},
            correlation_context=context.correlation_context or {},
            worker_id=context.worker_id,
        ),
        wire.protocol_version,
    )


_params: Final = msgspec.json.Decoder(dict[str, Any] | None)


def moment_of(text: str) -> datetime | None:
    """A time as the orchestrator spells it; `None` where that cannot be read."""
    try:
        return msgspec.convert(text, datetime)
    except msgspec.ValidationError:
        return None
