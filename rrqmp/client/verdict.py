"""What the store answers to a submission, as an error where it is one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rrqmp.errors import (
    BatchSubmissionError,
    DuplicateActivity,
    IdempotencyConflict,
    SubmissionError,
    WorkerError,
)
from rrqmp.store.calls.enqueue import Acceptance, EnqueueVerdict, Submission


def refusal(submission: Submission, verdict: EnqueueVerdict) -> SubmissionError | None:
    """The error that a verdict means; `None` where the submission goes on, under its own id or the key's owner's."""
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
    return None


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
