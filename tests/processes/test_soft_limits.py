"""Soft limits: raised in the handler's own code, once, for the activity that was meant and for no other."""

from __future__ import annotations

from rrqmp.model.attempt import AttemptKind
from rrqmp.model.codec import decode
from rrqmp.model.retry import RetryPolicy
from rrqmp.model.status import ActivityStatus
from tests.processes.conftest import Supervise
from tests.processes.harness import Queue, kinds

SOFT = {"app": "soft:engine", "workers": 1}


UNCAUGHT = ("sleeps", "spins", "swallows_exceptions", "awaits")


def test_uncaught_soft_limit_times_the_attempt_out_and_leaves_the_process(queue: Queue, supervise: Supervise) -> None:
    node = supervise(**SOFT)
    [worker] = node.idle()
    for record in queue.all_ended([queue.submit(kind) for kind in UNCAUGHT]):
        assert record.status is ActivityStatus.DEAD_LETTER
        [attempt] = record.attempts
        assert attempt.kind is AttemptKind.TIMED_OUT
        assert attempt.error == "rrqmp.errors.SoftTimeout"
        assert attempt.message == "soft limit of 0.15 s"
        assert attempt.where.startswith("soft.py:")
        assert attempt.where.endswith(record.activity_type)
        assert attempt.run_seconds is not None
        assert 0.15 <= attempt.run_seconds < 5
    retried = queue.ended(queue.submit("sleeps", retry=RetryPolicy(max_retries=1, base=0.01)))
    assert kinds(retried) == [AttemptKind.TIMED_OUT, AttemptKind.TIMED_OUT]
    assert node.idle() == [worker]


def test_caught_soft_limit_may_return_what_is_done(queue: Queue, supervise: Supervise) -> None:
    supervise(**SOFT)
    plain, awaited = queue.all_ended([queue.submit("catches"), queue.submit("awaits_and_catches")])
    assert plain.status is awaited.status is ActivityStatus.COMPLETED, (plain.attempts, awaited.attempts)
    done, seconds = decode(plain.result)
    assert done
    assert 0.14 <= seconds < 5
    assert decode(awaited.result) == "partial"


def test_soft_limit_ends_a_wait_for_another_activity(queue: Queue, supervise: Supervise) -> None:
    """And what waits and submits is fit for use after it."""
    supervise(**SOFT)
    waits = queue.submit("waits_for_a_child", soft_timeout=0.4)
    assert decode(queue.ended(waits).result) == ["pending", "pending"]


def test_shield_holds_the_soft_limit_off_until_its_end(queue: Queue, supervise: Supervise) -> None:
    supervise(**SOFT)
    for record in queue.all_ended(
        [queue.submit(kind, {"notes": str(queue.notes())}) for kind in ("shields", "awaits_in_a_shield")]
    ):
        assert [line.text for line in queue.lines() if line.activity_id == record.activity_id] == ["shielded"]
        [attempt] = record.attempts
        assert attempt.kind is AttemptKind.TIMED_OUT
        assert attempt.run_seconds is not None
        assert 0.4 <= attempt.run_seconds < 5
    [attempt] = queue.ended(queue.submit("shields_and_fails")).attempts
    assert (attempt.kind, attempt.error) == (AttemptKind.FAILED, "ValueError")


def test_soft_limit_that_c_code_does_not_hear_leaves_the_hard_one(queue: Queue, supervise: Supervise) -> None:
    supervise(**SOFT)
    [attempt] = queue.ended(queue.submit("in_c")).attempts
    assert (attempt.kind, attempt.error) == (AttemptKind.TIMED_OUT, "")
    assert "killed at its deadline" in attempt.message


def test_handler_that_makes_itself_deaf_meets_the_hard_limit_and_only_itself(
    queue: Queue, supervise: Supervise
) -> None:
    supervise(**SOFT)
    for record in queue.all_ended(queue.submit_many("deafens", ["block", "ignore", "default"])):
        [attempt] = record.attempts
        # Not the signal's own death, which would be a crash.
        assert (attempt.kind, attempt.error) == (AttemptKind.TIMED_OUT, "")
    left, after = queue.submit("deafens_for_the_next"), queue.submit("sleeps")
    [attempt] = queue.ended(after).attempts
    assert attempt.error == "rrqmp.errors.SoftTimeout"
    assert attempt.pid == decode(queue.ended(left).result)


def test_soft_limit_interrupts_no_call_of_ours(queue: Queue, supervise: Supervise) -> None:
    """A checkpoint is whole or absent, and the connection of the worker is fit for the next call."""
    node = supervise(**SOFT)
    [worker] = node.idle()
    records = queue.all_ended(queue.submit_many("saves", [None] * 5))
    assert [kinds(record) for record in records] == [[AttemptKind.TIMED_OUT]] * 5
    assert all(record.attempts[0].where.endswith(" saves") for record in records)
    assert "away" not in node.log
    assert node.idle() == [worker]


def test_soft_limit_at_an_end_hits_neither_it_nor_the_next(queue: Queue, supervise: Supervise) -> None:
    """Each ends within a millisecond or so of its limit; what follows has no limit of its own."""
    supervise(**{**SOFT, "workers": 2})
    limits = {"soft_timeout": 0.02, "timeout": 5}
    ids = []
    for round_ in range(60):
        ids += queue.submit_many("quick", [0.0185 + round_ * 0.00005], **limits)
        ids += queue.submit_many("unlimited", [0.004])
    ends = queue.all_ended(ids, patience=30)
    innocents = [record for record in ends if record.activity_type == "unlimited"]
    assert all(record.status is ActivityStatus.COMPLETED for record in innocents)
    # Each of the others ended one way or the other, and all by the worker's own word.
    softly = {kind for record in ends for kind in kinds(record)}
    assert softly <= {AttemptKind.COMPLETED, AttemptKind.TIMED_OUT}
    assert all(
        attempt.error == "rrqmp.errors.SoftTimeout"
        for record in ends
        for attempt in record.attempts
        if attempt.kind is AttemptKind.TIMED_OUT
    )


def test_submitter_sets_the_soft_limit_too_and_a_shorter_deadline_goes_before_it(
    queue: Queue, supervise: Supervise
) -> None:
    supervise(**SOFT)
    soft, hard = queue.all_ended([queue.submit("sleeps", soft_timeout=0.1), queue.submit("sleeps", timeout=0.1)])
    assert kinds(soft) == kinds(hard) == [AttemptKind.TIMED_OUT]
    assert soft.attempts[0].message == "soft limit of 0.1 s"
    assert "killed at its deadline" in hard.attempts[0].message
