"""What the orchestrator and a runner say to each other, version 2: read strictly, unknown fields passed over."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Final, Literal

import msgspec

from rrqmp.runner.frames import BadFrame

PROTOCOL_VERSION: Final = "2"
NULL: Final = msgspec.Raw(b"null")
# As the orchestrator counts them; a word of the board holds twice that.
_ATTEMPTS_MOST: Final = 2**32 - 1
# A function's name stands in the answers that no handler gave, and may fill a frame by itself.
_WORDS_MOST: Final = 8 * 1024
# Types of errors that mean something to the orchestrator, or to whoever reads its log.
NOT_FOUND_TYPE: Final = "handler_not_found"
TIMEOUT_TYPE: Final = "timeout"
CANCELLED_TYPE: Final = "cancelled"


class OutcomeStatus(StrEnum):
    """How an execution ended, in the words of the wire."""

    SUCCESS = "success"
    RETRY = "retry"
    TIMEOUT = "timeout"
    ERROR = "error"


class WireContext(msgspec.Struct, frozen=True):
    """What is known of the job beside its parameters; times with their zones, `enqueue_time` as it was spelled."""

    job_id: str
    attempt: Annotated[int, msgspec.Meta(ge=1, le=_ATTEMPTS_MOST)]
    enqueue_time: str
    queue_name: str
    deadline: Annotated[datetime, msgspec.Meta(tz=True)] | None = None
    trace_context: dict[str, str] | None = None
    correlation_context: dict[str, str] | None = None
    worker_id: str | None = None


class WireRequest(msgspec.Struct, frozen=True):
    """One attempt of a job. `params` is left as it came: the handler's process reads it."""

    request_id: str
    job_id: str
    function_name: str
    context: WireContext
    params: msgspec.Raw = msgspec.Raw(b"{}")
    protocol_version: str = PROTOCOL_VERSION


class WireCancel(msgspec.Struct, frozen=True):
    """Asks for the end of one request, or without `request_id` of every request of the job."""

    job_id: str
    request_id: str | None = None
    protocol_version: str = PROTOCOL_VERSION
    hard_kill: bool = False


class WireError(msgspec.Struct, frozen=True, omit_defaults=True):
    """Why; of this the orchestrator stores the message alone."""

    message: str
    type: str | None = None
    code: str | None = None
    details: msgspec.Raw = NULL


class WireResponse(msgspec.Struct, frozen=True, omit_defaults=True):
    """The one answer to a request."""

    job_id: str
    request_id: str
    status: OutcomeStatus
    result: msgspec.Raw = NULL
    error: WireError | None = None
    retry_after_seconds: float | None = None


class _Request(msgspec.Struct, frozen=True, tag_field="type", tag="request"):
    payload: WireRequest


class _Cancel(msgspec.Struct, frozen=True, tag_field="type", tag="cancel"):
    payload: WireCancel


class _Response(msgspec.Struct, frozen=True):
    payload: WireResponse
    type: Literal["response"] = "response"


_from_orchestrator: Final[msgspec.json.Decoder[Any]] = msgspec.json.Decoder(_Request | _Cancel)
_from_worker: Final = msgspec.json.Decoder(_Response)
_encoder: Final = msgspec.json.Encoder()


def decode_message(body: bytes) -> WireRequest | WireCancel:
    """Reads what an orchestrator sent. Raises `BadFrame` for anything else."""
    try:
        # What is passed over or left raw is checked for JSON's grammar, and for its text only here.
        if not body.isascii():
            body.decode()
        message: WireRequest | WireCancel = _from_orchestrator.decode(body).payload
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise BadFrame(f"no request and no cancel: {error}") from None
    if isinstance(message, WireRequest) and bytes(memoryview(message.params)[:1]) not in (b"{", b"n"):
        raise BadFrame("the params of a request are no object")
    return message


def decode_response(body: bytes) -> WireResponse:
    """Reads what a worker answered. Raises `BadFrame` for anything else."""
    try:
        if not body.isascii():
            body.decode()
        return _from_worker.decode(body).payload
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise BadFrame(f"no response: {error}") from None


def encode_response(response: WireResponse) -> bytes:
    """The body of a response's frame."""
    return _encoder.encode({"type": "response", "payload": response})


def refusal(
    request: WireRequest, message: str, kind: str | None = None, status: OutcomeStatus = OutcomeStatus.ERROR
) -> bytes:
    """The body of an answer that no handler gave."""
    return encode_response(
        WireResponse(request.job_id, request.request_id, status, error=WireError(message[:_WORDS_MOST], kind))
    )
