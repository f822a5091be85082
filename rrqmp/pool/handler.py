"""The worker's side of a call: opens the parcel, runs what is in it, signs how it ended."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pickle import loads
from typing import Final

import msgspec

from rrqmp.errors import NonRetry, Retry, SignatureRefused
from rrqmp.handling.context import ActivityContext
from rrqmp.handling.handler import ActivityHandler
from rrqmp.model.units import MOST_SECONDS
from rrqmp.pool.pickling import Reply, ReplyKind, SentCall, reply_error, reply_value
from rrqmp.pool.signing import Direction, Signer, text_bytes
from rrqmp.settings.resolution import CONFIG_VARIABLE

RESULT_VALID_SECONDS: Final = 86_400.0
_decoder: Final = msgspec.msgpack.Decoder(SentCall)
_encoder: Final = msgspec.msgpack.Encoder()


class Preparation(msgspec.Struct, frozen=True):
    """What each worker of a local pool does before its first call. `initializer` is pickled, empty for none."""

    initializer: bytes = b""
    environment: Mapping[str, str] = {}


class CallHandler(ActivityHandler[bytes, bytes]):
    """Runs calls of `PoolExecutor`s that hold the same key."""

    activity_type = Direction.CALL.value
    timeout = MOST_SECONDS
    max_retries = 0

    def __init__(self, key: bytes, limit: int, preparation: Preparation | None = None) -> None:
        self._key = key
        self._limit = limit
        self._preparation = preparation
        self._unready: Reply | None = None
        self._signers: dict[str, Signer] = {}

    def handle(self, payload: bytes, context: ActivityContext) -> bytes:
        """The parcel of the reply. Whatever the call raises is a reply too, and signed; only a refusal is not."""
        signer = self._signers.get(context.queue_name)
        if signer is None:
            signer = self._signers[context.queue_name] = Signer(self._key, context.queue_name)
        try:
            body = signer.open(Direction.CALL, context.activity_id, payload)
        except SignatureRefused as refusal:
            raise NonRetry(str(refusal)) from None
        call = _decoder.decode(body)
        if context.attempt > 1 + call.max_retries:
            # Its process died, or its node was lost: nobody knows how far it came.
            raise NonRetry(f"attempt {context.attempt} of a call that may run {1 + call.max_retries} times")
        reply = self._run(call, context)
        parcel = self._sealed(signer, reply, context.activity_id)
        size = text_bytes(parcel)
        if size > self._limit:
            words = (
                f"the result is {size} bytes as it is sent, at most {self._limit}: write the bulk to a file and "
                "return its path, or raise payload_limit"
            )
            parcel = self._sealed(signer, Reply(ReplyKind.TOO_LARGE, words=words), context.activity_id)
        return parcel

    def _run(self, call: SentCall, context: ActivityContext) -> Reply:
        if self._preparation is not None:
            self._unready, self._preparation = _prepare(self._preparation), None
        if self._unready is not None:
            return self._unready
        try:
            function, args, kwargs = loads(call.pickled)
            return reply_value(function(*args, **kwargs))
        except BaseException as error:
            if context.attempt <= call.max_retries:
                raise Retry(f"{type(error).__name__}: {error}") from error
            return reply_error(error)

    def _sealed(self, signer: Signer, reply: Reply, activity_id: str) -> bytes:
        body = _encoder.encode(reply)
        return signer.seal(Direction.RESULT, activity_id, body, valid_seconds=RESULT_VALID_SECONDS)


def _prepare(preparation: Preparation) -> Reply | None:
    """Gives the worker its user's environment back and runs the initializer; a reply where that failed."""
    os.environ.pop(CONFIG_VARIABLE, None)
    os.environ.update(preparation.environment)
    if not preparation.initializer:
        return None
    try:
        initializer, args = loads(preparation.initializer)
        initializer(*args)
    except BaseException as error:  # noqa: BLE001 - user code
        failed = reply_error(error)
        return Reply(ReplyKind.UNREADY, b"", failed.words, failed.trace)
    return None
