"""How an execution ended, by the names of RRQ's documentation and by those of its crate; checked when it is sent."""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from rrqmp.errors import InvalidPayload
from rrqmp.handling.failure import clean_text
from rrqmp.model.codec import Codec
from rrqmp.runner.frames import FRAME_MOST
from rrqmp.runner.messages import (
    CANCELLED_TYPE,
    NOT_FOUND_TYPE,
    NULL,
    TIMEOUT_TYPE,
    OutcomeStatus,
    WireError,
    WireResponse,
    encode_response,
)

_untyped: Final[Codec[Any]] = Codec()
# The orchestrator reads numbers as doubles and closes the connection at one that none can hold.
_MANY_DIGITS: Final = re.compile(rb"[0-9]{309}")


class Encoded(bytes):
    """A result that our own codec has written, and checked."""


@dataclass(frozen=True, slots=True)
class ExecutionError:
    """Why an attempt did not succeed; of this the orchestrator stores the message alone."""

    message: str
    type: str | None = None
    code: str | None = None
    details: Any = None


@dataclass(frozen=True, slots=True)
class ExecutionOutcome:
    """One answer. `result` is a value, or a `msgspec.Raw` of JSON; the ids are the request's."""

    job_id: str | None
    request_id: str | None
    status: OutcomeStatus
    result: Any = None
    fault: ExecutionError | None = None
    retry_after_seconds: float | None = None

    # By the names of RRQ's documentation.

    @classmethod
    def success(cls, job_id: str, request_id: str | None, result: Any = None) -> ExecutionOutcome:
        """The job is done."""
        return cls(job_id, request_id, OutcomeStatus.SUCCESS, result)

    @classmethod
    def failure(cls, job_id: str, request_id: str | None, message: str) -> ExecutionOutcome:
        """The attempt failed, and may be tried again."""
        return cls.error(job_id, request_id, message)

    @classmethod
    def retry_after(cls, job_id: str, request_id: str | None, message: str, seconds: float) -> ExecutionOutcome:
        """Try again after so many seconds."""
        return cls.retry(job_id, request_id, message, seconds)

    @classmethod
    def timeout(cls, job_id: str, request_id: str | None, message: str = "handler gave up") -> ExecutionOutcome:
        """It took too long; never tried again."""
        return cls(job_id, request_id, OutcomeStatus.TIMEOUT, fault=ExecutionError(message, TIMEOUT_TYPE))

    @classmethod
    def cancelled(cls, job_id: str, request_id: str | None, message: str = "Job cancelled") -> ExecutionOutcome:
        """It was cancelled; on the wire an error of that type."""
        return cls.error(job_id, request_id, message, kind=CANCELLED_TYPE)

    # By the names of the crate `rrq-runner`.

    @classmethod
    def retry(
        cls, job_id: str, request_id: str | None, message: str, retry_after_seconds: float | None = None
    ) -> ExecutionOutcome:
        """Try again, after so many seconds or after the orchestrator's own delay."""
        return cls(
            job_id,
            request_id,
            OutcomeStatus.RETRY,
            fault=ExecutionError(message),
            retry_after_seconds=retry_after_seconds,
        )

    @classmethod
    def error(
        cls,
        job_id: str,
        request_id: str | None,
        message: str,
        *,
        kind: str | None = None,
        code: str | None = None,
        details: Any = None,
    ) -> ExecutionOutcome:
        """The attempt failed, and may be tried again."""
        return cls(job_id, request_id, OutcomeStatus.ERROR, fault=ExecutionError(message, kind, code, details))

    @classmethod
    def handler_not_found(cls, job_id: str, request_id: str | None, message: str) -> ExecutionOutcome:
        """Nobody here can do this; never tried again."""
        return cls.error(job_id, request_id, message, kind=NOT_FOUND_TYPE)


def encode_outcome(outcome: ExecutionOutcome, job_id: str, request_id: str) -> tuple[bytes, OutcomeStatus]:
    """The body of the frame that answers a request, always one that the orchestrator accepts, and its status.

    What cannot be sent (not JSON, not finite, too large) becomes an error that says so.
    """
    try:
        body = encode_response(_wire(outcome, job_id, request_id))
        if len(body) <= FRAME_MOST:
            if _MANY_DIGITS.search(body):
                json.loads(body, parse_int=_within_a_double)
            return body, outcome.status
        reason = (
            f"result: a frame of {len(body)} bytes, at most {FRAME_MOST}; store the bulk elsewhere, pass its address"
        )
    except InvalidPayload as error:
        reason = str(error)
    except BaseException as error:  # noqa: BLE001 - the value's own code ran: a property, a model's dump
        reason = f"result: encoding it raised {type(error).__name__}: {_text(error)}"
    wire = WireResponse(job_id, request_id, OutcomeStatus.ERROR, error=WireError(_text(reason), "result_not_sendable"))
    return encode_response(wire), OutcomeStatus.ERROR


def _wire(outcome: ExecutionOutcome, job_id: str, request_id: str) -> WireResponse:
    # An answer under another id would be dropped: the orchestrator would wait for this one, and then kill the runner.
    status = OutcomeStatus(outcome.status)
    result = _json(outcome.result, "result") if status is OutcomeStatus.SUCCESS else NULL
    fault = None
    if outcome.fault is not None and status is not OutcomeStatus.SUCCESS:
        given = outcome.fault
        fault = WireError(
            _text(given.message),
            None if given.type is None else _text(given.type),
            None if given.code is None else _text(given.code),
            _json(given.details, "error.details"),
        )
    return WireResponse(job_id, request_id, status, result, fault, _delay(outcome.retry_after_seconds))


def _json(value: Any, what: str) -> msgspec.Raw:
    if value is None:
        return NULL
    if isinstance(value, Encoded):
        return msgspec.Raw(value)
    if isinstance(value, msgspec.Raw):
        try:
            # Sent as it is, it could be half a value, or one that the orchestrator cannot read.
            value = msgspec.json.decode(value)
        except (msgspec.MsgspecError, ValueError, RecursionError) as error:
            raise InvalidPayload(f"{what}: a Raw that is no JSON: {error}") from None
    return msgspec.Raw(_untyped.encode(value, limit=FRAME_MOST, what=what))


def _within_a_double(digits: str) -> None:
    if math.isinf(float(digits)):
        raise InvalidPayload(f"an integer of {len(digits)} digits: the orchestrator reads doubles; send it as text")


def _delay(seconds: Any) -> float | None:
    if seconds is None:
        return None
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not math.isfinite(seconds):
        raise InvalidPayload(f"retry_after_seconds is {seconds!r}: give a finite number of seconds")
    return float(seconds)


def _text(value: object) -> str:
    try:
        text = value if type(value) is str else str(value)
    except BaseException as error:  # noqa: BLE001 - the value's own code
        text = f"<its str() raised {type(error).__name__}>"
    return clean_text(text)
