"""From the stored end of an activity to what its waiter gets: the value, or an error that says what happened."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import msgspec

from rrqmp.errors import (
    ActivityCancelled,
    ActivityCrashed,
    ActivityDiscarded,
    ActivityExpired,
    ActivityFailed,
    ActivityNotFound,
    ActivityOutOfMemory,
    ActivityTimedOut,
    ActivityUnsuccessful,
    InvalidPayload,
    ResultError,
)
from rrqmp.model.activity import ActivityRecord
from rrqmp.model.attempt import Attempt, AttemptKind, decode_outcome
from rrqmp.model.codec import Codec
from rrqmp.model.status import ActivityStatus
from rrqmp.store.keys import QueueKeys


class Ended(NamedTuple):
    """How an activity ended. `status` is `None` where its id is unknown; `out` where it is still to be fetched."""

    status: ActivityStatus | None
    out: bytes | None


_ERRORS: Final[dict[AttemptKind, type[ActivityUnsuccessful]]] = {
    AttemptKind.FAILED: ActivityFailed,
    AttemptKind.TIMED_OUT: ActivityTimedOut,
    AttemptKind.CRASHED: ActivityCrashed,
    AttemptKind.OUT_OF_MEMORY: ActivityOutOfMemory,
    AttemptKind.CANCELLED: ActivityCancelled,
    AttemptKind.LOST: ActivityCrashed,
    AttemptKind.EXPIRED: ActivityExpired,
    AttemptKind.CORRUPT: ActivityFailed,
    AttemptKind.DISCARDED: ActivityDiscarded,
    AttemptKind.COMPLETED: ActivityFailed,
}
_TOLD: Final[dict[AttemptKind, str]] = {
    AttemptKind.FAILED: "failed",
    AttemptKind.TIMED_OUT: "timed out",
    AttemptKind.CRASHED: "crashed",
    AttemptKind.OUT_OF_MEMORY: "ran out of memory",
    AttemptKind.CANCELLED: "was cancelled",
    AttemptKind.LOST: "was lost with its node",
    AttemptKind.EXPIRED: "expired before its start",
    AttemptKind.CORRUPT: "has a corrupt record",
    AttemptKind.DISCARDED: "was discarded",
    AttemptKind.COMPLETED: "completed",
}


def value_of(out: bytes, results: Codec[Any], activity_id: str) -> Any:
    """The result of a completed activity; raises `ResultError` where it is not what was declared."""
    _, encoded = _read_outcome(out, activity_id)
    try:
        return results.decode(encoded or b"null", what=f"result of {activity_id}")
    except InvalidPayload as error:
        raise ResultError(f"{error}; the declared result type and what the handler returned differ") from error


def error_of(
    status: ActivityStatus, out: bytes, activity_id: str, activity_type: str, record: ActivityRecord | None
) -> ActivityUnsuccessful:
    """The error for an activity that ended without a result; `record` adds earlier attempts where it is still there."""
    last = _read_outcome(out, activity_id)[0] if out else None
    attempts = record.attempts if record else (last,) if last else ()
    kind = last.kind if last else AttemptKind.FAILED
    if status is ActivityStatus.CANCELLED and kind is not AttemptKind.EXPIRED:
        kind = AttemptKind.CANCELLED
    reason = record.reason if record else ""
    return _ERRORS[kind](_sentence(kind, last, activity_id, activity_type, attempts, reason), last, attempts)


def not_found(keys: QueueKeys, activity_id: str) -> ActivityNotFound:
    """The error for an id without a record."""
    return ActivityNotFound(
        f"queue {keys.queue!r} has no activity {activity_id}: it never had one, or its time to live is over"
    )


def _read_outcome(out: bytes, activity_id: str) -> tuple[Attempt, bytes]:
    try:
        return decode_outcome(out)
    except msgspec.MsgspecError as error:
        raise ResultError(f"the outcome of {activity_id} holds foreign bytes ({error}); see: rrqmp show") from error


def _sentence(
    kind: AttemptKind,
    last: Attempt | None,
    activity_id: str,
    activity_type: str,
    attempts: Sequence[Attempt],
    reason: str,
) -> str:
    parts = [f"{activity_type} {activity_id} {_TOLD[kind]}".lstrip()]
    if last is not None:
        if last.attempt:
            parts.append(f" on attempt {last.attempt}")
        cause = ", ".join(filter(None, (_cause(last), last.where and f"at {last.where}")))
        if cause:
            parts.append(f" ({cause})")
        if last.message and kind is AttemptKind.FAILED:
            parts.append(f": {_first_line(last.message)}")
        if last.peak_bytes:
            parts.append(f"; peak {last.peak_bytes / (1 << 20):.0f} MiB")
    if reason:
        parts.append(f"; not retried: {reason}")
    return f"{''.join(parts)}. See: rrqmp show {activity_id}"


def _cause(last: Attempt) -> str:
    if last.kind is AttemptKind.FAILED:
        return last.error
    if last.kind is AttemptKind.TIMED_OUT and last.error:
        # The handler's own exception: its process was not killed.
        return last.message
    if last.kind is AttemptKind.TIMED_OUT:
        return f"killed after {last.run_seconds:.1f} s" if last.run_seconds is not None else ""
    return last.signal or (f"exit code {last.exit_code}" if last.exit_code is not None else "")


def _first_line(text: str) -> str:
    line = text.strip().partition("\n")[0]
    return line if len(line) <= 200 else f"{line[:200]}..."
