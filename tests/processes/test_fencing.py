"""Leases: a node that was silent is fenced, a node that died is taken over, and nothing is recorded twice."""

from __future__ import annotations

import signal

import pytest

from rrqmp.model.attempt import AttemptKind
from rrqmp.model.status import ActivityStatus
from tests.processes.conftest import Supervise
from tests.processes.harness import Queue, eventually, is_alive, kinds

pytestmark = pytest.mark.once


def test_silent_node_is_fenced_and_joins_anew_and_nothing_is_recorded_twice(queue: Queue, supervise: Supervise) -> None:
    silent = supervise(workers=1, lease=1)
    one = queue.submit("hold_first", {"notes": str(queue.notes()), "gate": str(queue.gate())})
    former = queue.noted(one, 1).pid
    other = supervise(workers=1, lease=1)
    silent.send(signal.SIGSTOP)
    # The other takes the work when the lease has run out, while the silent one's worker is still at it.
    taken = queue.noted(one, 2)
    assert taken.pid != former
    assert is_alive(former)
    record = queue.ended(one)
    assert (record.attempt, record.losses, record.result) == (2, 1, b"2")
    # The late result changes nothing: its token has been used up.
    queue.gate().touch()
    silent.send(signal.SIGCONT)
    silent.logged("was silent for longer than its lease and has been fenced")
    silent.logged("joined again as")
    eventually(lambda: not is_alive(former))
    assert queue.show(one) == record
    assert kinds(record) == [AttemptKind.LOST, AttemptKind.COMPLETED]
    # Both work on.
    other.send(signal.SIGTERM)
    assert other.exit_code() == 0
    last = queue.ended(queue.submit("echo", 1))
    assert (last.status, last.attempt) == (ActivityStatus.COMPLETED, 1)
    assert last.attempts[0].node == silent.node


def test_fenced_node_kills_what_it_still_runs(queue: Queue, supervise: Supervise) -> None:
    silent = supervise(workers=1, lease=1)
    one = queue.submit("hold_first", {"notes": str(queue.notes()), "gate": "/nowhere"})
    former = queue.noted(one, 1).pid
    supervise(workers=1, lease=1)
    silent.send(signal.SIGSTOP)
    queue.ended(one)
    silent.send(signal.SIGCONT)
    silent.logged("joined again as")
    assert not is_alive(former)
    record = queue.show(one)
    assert (record.attempt, record.losses, record.crashes) == (2, 1, 0)


def test_activities_of_a_dead_node_run_elsewhere_after_its_lease(queue: Queue, supervise: Supervise) -> None:
    doomed = supervise(workers=2, lease=1)
    ids = queue.submit_many("hold_first", [{"notes": str(queue.notes()), "gate": "/nowhere"}] * 2)
    for one in ids:
        queue.noted(one, 1)
    other = supervise(workers=2, lease=1)
    doomed.send(signal.SIGKILL)
    for record in queue.all_ended(ids, patience=6):
        assert (record.status, record.attempt) == (ActivityStatus.COMPLETED, 2)
        assert (record.losses, record.crashes) == (1, 0)
        assert record.attempts[-1].node == other.node
    other.logged("is lost: 2 activities taken back")


def test_activity_that_was_lost_too_often_is_given_up(queue: Queue, supervise: Supervise) -> None:
    doomed = supervise(workers=1, lease=1, max_losses=1)
    one = queue.submit("hold", {"notes": str(queue.notes()), "gate": "/nowhere"})
    queue.noted(one)
    supervise(workers=1, lease=1, max_losses=1)
    doomed.send(signal.SIGKILL)
    record = queue.ended(one)
    assert (record.status, record.reason, record.losses) == (ActivityStatus.DEAD_LETTER, "lost", 1)
    assert queue.stats().dead_letter_count == 1
