"""Accounts of requests that no worker ended: killed, cancelled or out of time.

The supervisor writes them and a worker tells them: telemetry has threads and libraries that no supervisor may have.
"""

from __future__ import annotations

import time
from typing import Final

import msgspec

from rrqmp.runner.messages import CANCELLED_TYPE, OutcomeStatus, WireContext, WireRequest, decode_response

# Under this name an application's report says whether anybody wants accounts.
TELLS: Final = "tells"


class RequestAccount(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One request and its end. Times of day; `begun`: a worker had begun it; `scope` of the cancel that ended it."""

    job_id: str
    function_name: str
    context: WireContext
    outcome: OutcomeStatus
    began: float
    ended: float
    message: str = ""
    kind: str = ""
    begun: bool = False
    scope: str = ""


def make_account(request: WireRequest, body: bytes, seconds: float, *, begun: bool, scope: str = "") -> bytes:
    """Out of the answer that was sent in a worker's place, `seconds` after the request came or was begun."""
    response = decode_response(body)
    now = time.time()
    kind = (response.error.type if response.error else None) or ""
    account = RequestAccount(
        job_id=request.job_id,
        function_name=request.function_name,
        context=request.context,
        outcome=response.status,
        began=now - seconds,
        ended=now,
        message=response.error.message if response.error else "",
        kind=kind,
        begun=begun,
        scope=(scope or "request") if kind == CANCELLED_TYPE else "",
    )
    return _encoder.encode(account)


_encoder: Final = msgspec.json.Encoder()
read_account: Final = msgspec.json.Decoder(RequestAccount).decode
