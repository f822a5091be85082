"""One job in a worker: a message in, the frame of its answer out, and nothing that a handler does gets past it."""

from __future__ import annotations

import os
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from types import CoroutineType
from typing import Any, Final, cast

import msgspec

from rrqmp.errors import ActivityError, NonRetry, Release, Retry
from rrqmp.handling.context import ActivityContext, Signals
from rrqmp.handling.failure import failure_of
from rrqmp.handling.invocation import Invoker
from rrqmp.handling.outcome import Raised, Released
from rrqmp.handling.registration import Registration
from rrqmp.handling.registry import Registry
from rrqmp.handling.worker_facts import WorkerInfo
from rrqmp.runner.frames import FRAME_MOST, BadFrame
from rrqmp.runner.messages import NOT_FOUND_TYPE, OutcomeStatus, WireRequest, decode_message
from rrqmp.runner.outcome import Encoded, ExecutionError, ExecutionOutcome, encode_outcome
from rrqmp.runner.request import ExecutionRequest, read_request
from rrqmp.runner.telling import Teller
from rrqmp.telemetry.runner import Telemetry

_OWN_ERRORS: Final = f"{NonRetry.__module__}."
_FAR_NS: Final = 2**62
_NON_RETRY_CODE: Final = "non_retry"
_RETRY_NAME: Final = f"{Retry.__module__}.{Retry.__qualname__}"


@dataclass(frozen=True, slots=True)
class Functions:
    """What is registered beside the handlers of activities: functions of a request, and limits in seconds, by name."""

    by_name: dict[str, Callable[[ExecutionRequest], Any]]
    limits: dict[str, float]


class RunnerJobs:
    """The handlers of one worker process."""

    def __init__(self, registry: Registry, functions: Functions, signals: Signals, telemetry: Telemetry | None) -> None:
        self._registry = registry
        self._functions = functions
        self._signals = signals
        self._teller = Teller(telemetry) if telemetry is not None else None
        self.invoker = Invoker(registry, None, result_limit=FRAME_MOST)

    def soft_limit(self, activity_type: str) -> float | None:
        """Of an `ActivityHandler` that has one; a function of a request has none."""
        if activity_type in self._functions.by_name:
            return None
        registration = self._registry.get(activity_type)
        return registration.soft_timeout if registration else None

    def time_limit(self, activity_type: str) -> float | None:
        """The handler's own limit in seconds."""
        return self._functions.limits.get(activity_type)

    def run(self, body: bytes, deadline_ns: int, waiting: int) -> bytes:
        """Runs one request; the body of the frame that answers it."""
        wire = decode_message(body)
        if not isinstance(wire, WireRequest):
            raise BadFrame(f"{wire!r} is no request")
        if self._teller is None:
            return self._run(wire, deadline_ns)[0]
        return self._teller.around(wire, waiting, lambda: self._run(wire, deadline_ns))

    def tell(self, account: bytes) -> None:
        """Tells of a request that no worker ended."""
        if self._teller is not None:
            self._teller.tell(account)

    def close(self) -> None:
        """Tears handlers down and sends what is still to be told."""
        self.invoker.close()
        if self._teller is not None:
            self._teller.close()

    def _run(self, wire: WireRequest, deadline_ns: int) -> tuple[bytes, ExecutionOutcome, OutcomeStatus]:
        try:
            request = read_request(wire)
        except (msgspec.MsgspecError, ValueError, RecursionError) as error:
            outcome = ExecutionOutcome.error(wire.job_id, wire.request_id, f"the params cannot be read: {error}")
        else:
            outcome = self.execute(request, wire.params, deadline_ns)
        body, status = encode_outcome(outcome, wire.job_id, wire.request_id)
        return body, outcome, status

    def execute(
        self, request: ExecutionRequest, params: bytes | msgspec.Raw | None = None, deadline_ns: int = _FAR_NS
    ) -> ExecutionOutcome:
        """Runs one request; `params` is its parameters as JSON, where they are at hand."""
        registration = self._registry.get(request.function_name)
        if registration is None:
            return request.handler_not_found()
        function = self._functions.by_name.get(request.function_name)
        if function is not None:
            return self._call(function, registration, request)
        encoded = msgspec.json.encode(request.params) if params is None else bytes(params)
        return self._invoke(encoded, request, deadline_ns)

    def _call(
        self, function: Callable[[ExecutionRequest], Any], registration: Registration, request: ExecutionRequest
    ) -> ExecutionOutcome:
        try:
            value = function(request)
            if type(value) is CoroutineType:
                value = self.invoker.run_coroutine(cast("Coroutine[Any, Any, Any]", value))
        except Release as error:
            return request.retry(str(error) or "released", _seconds_of(error))
        except BaseException as error:  # noqa: BLE001 - user code may raise anything, SystemExit too
            return _raised(request, failure_of(error, registration), error)
        return value if isinstance(value, ExecutionOutcome) else request.success(value)

    def _invoke(self, params: bytes, request: ExecutionRequest, deadline_ns: int) -> ExecutionOutcome:
        if request.function_name in self.invoker.not_set_up:
            # It failed or hung when the worker started. Inside this job's deadline: nobody could give the job back.
            failure = self.invoker.set_up(request.function_name, WorkerInfo(os.uname().nodename, None, os.getpid(), ()))
            if failure is not None:
                return _raised(request, failure)
        bound = self.invoker.prepare(request.function_name)
        if bound is None:
            return request.handler_not_found()
        context = ActivityContext(
            request.job_id,
            request.function_name,
            queue_name=request.context.queue_name,
            attempt=request.context.attempt,
            deadline=deadline_ns,
            signals=self._signals,
            metadata=request.context.correlation_context,
        )
        ended = bound.invoke(params, context)
        if isinstance(ended, Raised):
            return _raised(request, ended)
        if isinstance(ended, Released):
            # There is no queue here to give it back to.
            return request.retry(ended.message or "released", ended.delay)
        return request.success(Encoded(ended.result))


def _raised(request: ExecutionRequest, raised: Raised, error: BaseException | None = None) -> ExecutionOutcome:
    """What was raised, in words: the orchestrator keeps nothing but the message."""
    words = f"{raised.error}: {raised.message}" if raised.message else raised.error
    if isinstance(error, ActivityError) or raised.error.startswith(_OWN_ERRORS):
        # The handler's own words, as from the constructors.
        words = raised.message or raised.error
    if raised.where:
        words += f" (at {raised.where})"
    if raised.timed_out:
        # Its soft limit, not caught: as if its own limit had come.
        return request.timeout(words)
    if raised.retryable and (raised.delay is not None or isinstance(error, Retry) or raised.error == _RETRY_NAME):
        return request.retry(words, raised.delay)
    details = {"error": raised.error, "where": raised.where, "traceback": raised.traceback}
    if raised.retryable and not isinstance(error, NonRetry):
        return ExecutionOutcome(
            request.job_id, request.request_id, OutcomeStatus.ERROR, fault=ExecutionError(words, details=details)
        )
    # The only error that the orchestrator does not retry; of all this it keeps the words.
    fault = ExecutionError(words, NOT_FOUND_TYPE, _NON_RETRY_CODE, details)
    return ExecutionOutcome(request.job_id, request.request_id, OutcomeStatus.ERROR, fault=fault)


def _seconds_of(error: Release) -> float | None:
    delay = error.delay
    return float(delay) if isinstance(delay, int | float) and not isinstance(delay, bool) else None
