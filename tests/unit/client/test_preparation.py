"""Preparing submissions, without a server."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from rrqmp.client.ending import error_of
from rrqmp.client.preparation import Preparer, chunks
from rrqmp.client.targets import Targets
from rrqmp.errors import ActivityCancelled, ActivityDiscarded, ActivityExpired, ActivityFailed
from rrqmp.handling.context import ActivityContext
from rrqmp.handling.handler import ActivityHandler
from rrqmp.model.activity_type import ActivityType
from rrqmp.model.attempt import Attempt, AttemptKind, encode_outcome
from rrqmp.model.options import OnDuplicate
from rrqmp.model.spec import Spec, split_spec
from rrqmp.model.status import ActivityStatus
from rrqmp.store.calls.enqueue import MAX_BYTES, MAX_ITEMS, Submission


@dataclass
class Job:
    path: str


KEYED = ActivityType("keyed", Job, int, on_duplicate=OnDuplicate.NO_REUSE, key_ttl=120)


class Render(ActivityHandler[Job, int]):
    def handle(self, payload: Job, context: ActivityContext) -> int:
        return 1


class Unequal(Render):
    def __eq__(self, other: object) -> bool:
        raise AssertionError("an instance's idea of equality was asked")

    __hash__ = None  # type: ignore[assignment]


def of_size(*sizes: int) -> list[Submission]:
    return [Submission(str(place), "a", b"x" * size) for place, size in enumerate(sizes)]


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        ([], []),
        ([1], [1]),
        ([1] * (MAX_ITEMS * 2 + 1), [MAX_ITEMS, MAX_ITEMS, 1]),
        ([MAX_BYTES, 1], [1, 1]),
        ([MAX_BYTES // 2] * 3, [2, 1]),
        ([1, MAX_BYTES * 4, 1], [1, 1, 1]),
    ],
)
def test_chunks_keep_order_and_bounds(sizes: list[int], expected: list[int]) -> None:
    submissions = of_size(*sizes)
    made = list(chunks(submissions))
    assert [len(chunk) for chunk in made] == expected
    assert [item for chunk in made for item in chunk] == submissions


def test_the_usual_submission_stores_the_payload_and_an_empty_line_of_options() -> None:
    submission = Preparer().one("a", {"x": 1}, {}, "").submission
    assert submission.spec == b'{}\n{"x":1}'


def test_reply_and_parent_travel_in_the_options() -> None:
    spec, payload = split_spec(Preparer(parent="p").one("a", None, {}, "r").submission.spec)
    assert (spec, payload) == (Spec(reply="r", parent="p"), b"null")


def test_a_key_inside_a_handler_is_its_parents_and_the_record_says_so() -> None:
    submission = Preparer(parent="p").one("a", None, {"key": "k"}, "").submission
    assert submission.key == "p/k"
    assert split_spec(submission.spec)[0].key == "p/k"


def test_how_a_key_is_used_comes_from_the_declaration_where_there_is_a_key() -> None:
    preparer = Preparer()
    assert preparer.one(KEYED, Job("a"), {"key": "k"}, "").submission.on_duplicate == "no_reuse"
    assert split_spec(preparer.one(KEYED, Job("a"), {"key": "k"}, "").submission.spec)[0].key_ttl == 120.0
    assert preparer.one(KEYED, Job("a"), {}, "").submission.key == ""


def test_what_is_known_of_a_target_is_remembered() -> None:
    targets = Targets()
    assert targets.resolve(Render) is targets.resolve(Render())
    assert targets.resolve(Render).activity_type == "render"
    assert targets.resolve(Unequal()).payloads.declared is Job
    assert targets.resolve("a") is targets.resolve("a")


@pytest.mark.parametrize(
    ("status", "attempt", "error", "message"),
    [
        (ActivityStatus.CANCELLED, None, ActivityCancelled, r"^render 1 was cancelled\. See: rrqmp show 1$"),
        (ActivityStatus.DEAD_LETTER, None, ActivityFailed, r"^render 1 failed\."),
        (
            ActivityStatus.DEAD_LETTER,
            Attempt(kind=AttemptKind.FAILED, message="x" * 500),
            ActivityFailed,
            r"x{200}\.\.\.",
        ),
    ],
)
def test_ends_without_a_full_record_are_told_as_well(
    status: ActivityStatus, attempt: Attempt | None, error: type[Exception], message: str
) -> None:
    out = encode_outcome(attempt) if attempt else b""
    with pytest.raises(error, match=message):
        raise error_of(status, out, "1", "render", None)


def test_options_of_any_kind_are_no_payload() -> None:
    prepared: Any = Preparer().one("a", {"timeout": 3}, {}, "")
    assert prepared.submission.spec == b'{}\n{"timeout":3}'


@pytest.mark.parametrize("parent", ["", "p"])
def test_store_is_told_of_expiry_and_parent_however_it_is_submitted(parent: str) -> None:
    preparer = Preparer(parent=parent)
    plain = preparer.one("t", 1, {}, "").submission
    expiring = preparer.one("t", 1, {"expires": 60}, "").submission
    many = [
        *preparer.many("t", [1], None, {"expires": 60}, "")[0],
        *preparer.many("t", [1], str, {"expires": 60}, "")[0],
    ]
    assert (plain.expires_us, plain.parent) == (0, parent)
    for submission in (expiring, *many):
        told = split_spec(submission.spec)[0].expires
        assert told is not None
        assert (submission.expires_us, submission.parent) == (round(told * 1e6), parent)


def test_end_tells_expired_and_discarded_from_cancelled_and_dead() -> None:
    ends = {
        AttemptKind.EXPIRED: (ActivityStatus.CANCELLED, ActivityExpired, "expired before its start"),
        AttemptKind.CANCELLED: (ActivityStatus.CANCELLED, ActivityCancelled, "was cancelled"),
        AttemptKind.FAILED: (ActivityStatus.CANCELLED, ActivityCancelled, "was cancelled"),
        AttemptKind.DISCARDED: (ActivityStatus.DEAD_LETTER, ActivityDiscarded, "was discarded"),
    }
    for kind, (status, expected, told) in ends.items():
        error = error_of(status, encode_outcome(Attempt(kind=kind)), "x", "t", None)
        assert type(error) is expected
        assert told in str(error)
