"""What the store answers to a submission, as an error where it is one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rrqmp.errors import (
    BatchSubmissionError,
    DuplicateActivity,
    IdempotencyConflict,
    QueueFull,
    SubmissionError,
    WorkerError,
)
from rrqmp.store.calls.enqueue import Acceptance, EnqueueVerdict, Submission


def refusal(
    submission: Submission, verdict: EnqueueVerdict, queue: str = "", max_pending: int = 0
) -> SubmissionError | None:
    """The error that a verdict means; `None` where the submission goes on, under its own id or the key's owner's.

    `queue` and its `max_pending` are told where that is what refused it.
    """
    key, name, owner = submission.key, submission.activity_type, verdict.activity_id
    if verdict.kind is Acceptance.REFUSED:
        return DuplicateActivity(
            f"the key {key!r} of {name} is held by {owner} and NO_REUSE allows no second; await that one", owner
        )
    if verdict.kind is Acceptance.IN_USE:
        return IdempotencyConflict(
            f"the key {key!r} of {name} is held by {owner}, which has not failed; await that one", owner
        )
    if verdict.kind is Acceptance.CONFLICT:
        return SubmissionError(f"the id {submission.activity_id} of {name} is there already with another content")
    if verdict.kind is Acceptance.FULL:
        return queue_full(queue, max_pending)
    return None


def queue_full(queue: str, max_pending: int) -> QueueFull:
    """The error of a submission after which too many would wait."""
    return QueueFull(
        f"queue {queue!r} would hold more than {max_pending} waiting activities; submit later, add workers, "
        "or raise max_pending"
    )


def batch_refusal(activity_ids: Sequence[str], failures: Mapping[int, WorkerError]) -> BatchSubmissionError:
    """The error of a batch of which some places failed; the ids are in the order of the payloads."""
    first_place = min(failures)
    first = failures[first_place]
    error = BatchSubmissionError(
        f"{len(failures)} of {len(activity_ids)} activities were not accepted; "
        f"the first, number {first_place}: {first}",
        [activity_id for place, activity_id in enumerate(activity_ids) if place not in failures],
        [activity_ids[place] for place in sorted(failures)],
        sorted(failures),
    )
    error.__cause__ = first
    return error
