"""The record of one attempt: how it ended, what it cost, where it was stuck. Stored as JSON, one line an attempt."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

import msgspec


class AttemptKind(StrEnum):
    """How an attempt, or an activity that never had one, came to its end."""

    COMPLETED = "completed"
    FAILED = "failed"
    TIMED_OUT = "timed_out"
    CRASHED = "crashed"
    OUT_OF_MEMORY = "out_of_memory"
    CANCELLED = "cancelled"
    LOST = "lost"
    EXPIRED = "expired"
    CORRUPT = "corrupt"
    DISCARDED = "discarded"


class Ending(StrEnum):
    """What the store is asked to do with an attempt that has ended; the word goes to the scripts as it is."""

    COMPLETED = "completed"
    RETRY = "retry"
    DEAD = "dead"
    CANCELLED = "cancelled"
    CRASH = "crash"
    LOSS = "loss"
    RESTART = "restart"
    RELEASE = "release"


class Attempt(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """One attempt as it is kept. Times of day are seconds since 1970, durations seconds, memory bytes.

    `peak_bytes` is the attempt's own: the process's size at the fork is taken off. `where` is the line of user code
    that was running, `stack` all that faulthandler wrote, or the reason why there is none.
    """

    kind: AttemptKind
    attempt: int = 0
    error: str = ""
    message: str = ""
    traceback: str = ""
    where: str = ""
    stack: str = ""
    result_repr: str = ""
    signal: str = ""
    exit_code: int | None = None
    retryable: bool = True
    run_seconds: float | None = None
    cpu_seconds: float | None = None
    peak_bytes: int | None = None
    node: str = ""
    slot: int | None = None
    pid: int | None = None
    ended_at: float | None = None
    notes: tuple[str, ...] = ()


MAX_TEXT: Final = 8 * 1024
_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Attempt)


def encode_outcome(attempt: Attempt, result: bytes = b"") -> bytes:
    """The stored form of an ending: the attempt's JSON, then, after a line feed, the result's JSON if there is one."""
    head = _encoder.encode(attempt)
    return head + b"\n" + result if result else head


def decode_attempt(line: bytes) -> Attempt:
    """Reads one stored attempt; raises `msgspec.DecodeError` or `msgspec.ValidationError` on foreign bytes."""
    return _decoder.decode(line)


def decode_outcome(body: bytes) -> tuple[Attempt, bytes]:
    """The attempt and the undecoded JSON of its result, empty where there is none."""
    head, _, result = body.partition(b"\n")
    return decode_attempt(head), result
