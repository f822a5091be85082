"""Cancelling what runs: the order hits the activity that it names, and nothing else."""

from __future__ import annotations

import os
import signal
import time
from typing import Any

import pytest

from rrqmp.client.executor import ActivityExecutor
from rrqmp.model.attempt import AttemptKind
from rrqmp.model.status import ActivityStatus
from rrqmp.store.calls.cancel import CancelOutcome, cancel
from rrqmp.store.embedded import EmbeddedServer
from tests.processes.conftest import Supervise
from tests.processes.harness import RULES, Queue, eventually, is_alive, kinds

APP = "cancels:engine"


def payload(queue: Queue) -> dict[str, Any]:
    return {"notes": str(queue.notes()), "gate": str(queue.gate())}


def order(queue: Queue, one: str, grace: float | None = None) -> CancelOutcome:
    grace_ms = None if grace is None else round(grace * 1000)
    return queue.store.run(cancel(queue.keys, RULES, one, grace_ms=grace_ms)).outcome


def token_of(queue: Queue, one: str) -> str:
    stored = queue.store.command("HGET", f"{queue.keys.root}activity:{one}", "tok")
    return str(stored.decode())


def cancelled(queue: Queue, one: str, *attempts: AttemptKind) -> None:
    record = queue.ended(one)
    assert (record.status, kinds(record)) == (ActivityStatus.CANCELLED, list(attempts)), record


def test_hard_cancel_kills_at_once_with_the_stack(queue: Queue, supervise: Supervise) -> None:
    supervise(workers=1, app=APP)
    lateness = []
    for _ in range(3):
        one = queue.submit("stubborn", payload(queue))
        worker = queue.noted(one).pid
        asked_at = time.monotonic()
        assert order(queue, one, grace=0) is CancelOutcome.REQUESTED
        eventually(lambda worker=worker: not is_alive(worker))
        lateness.append(time.monotonic() - asked_at)
        cancelled(queue, one, AttemptKind.CANCELLED)
        record = queue.show(one)
        assert (record.attempt, record.crashes) == (1, 0)
        assert record.attempts[0].where
    # What is promised is 20 ms; the machine is shared.
    assert min(lateness) < 0.25, lateness


def test_token_flips_at_once_and_a_handler_that_returns_has_completed(queue: Queue, supervise: Supervise) -> None:
    supervise(workers=1, app=APP)
    lateness = []
    for _ in range(3):
        one = queue.submit("polite", payload(queue))
        queue.noted(one)
        asked_at = time.monotonic_ns()
        assert order(queue, one) is CancelOutcome.REQUESTED
        record = queue.ended(one)
        assert (record.status, record.result) == (ActivityStatus.COMPLETED, b'"cancelled"')
        lateness.append(next(line.at_ns for line in queue.lines() if line.text == "heard" and line.activity_id == one))
        lateness[-1] -= asked_at
    assert min(lateness) < 250e6, lateness


def test_handler_that_raises_is_cancelled_and_no_dead_letter(queue: Queue, supervise: Supervise) -> None:
    supervise(workers=1, app=APP)
    one = queue.submit("gives_up", payload(queue))
    queue.noted(one)
    order(queue, one)
    cancelled(queue, one, AttemptKind.FAILED)
    queue.ended(queue.submit("echo", 1))
    assert len(queue.lines()) == 1


@pytest.mark.parametrize("shielded", [False, True])
def test_coroutine_is_cancelled_once_and_cleans_up(queue: Queue, supervise: Supervise, *, shielded: bool) -> None:
    supervise(workers=1, app=APP)
    one = queue.submit("waits", payload(queue) | {"shielded": shielded}, soft_timeout=0.4)
    queue.noted(one)
    order(queue, one)
    cancelled(queue, one, AttemptKind.FAILED)
    assert [line.text for line in queue.lines()] == ["", *["shielded"] * shielded, "cleaned up"]


def test_coroutine_that_waits_for_a_child_may_take_it_along(queue: Queue, supervise: Supervise) -> None:
    supervise(workers=2, app=APP)
    one = queue.submit("waits_for_a_child", payload(queue))
    child = queue.noted(one).text
    queue.noted(child)
    order(queue, one)
    cancelled(queue, one, AttemptKind.FAILED)
    cancelled(queue, child, AttemptKind.CANCELLED)
    assert queue.lines()[-1].text == "cancelled 1"


@pytest.mark.once
def test_grace_is_the_setting_unless_an_order_has_its_own(queue: Queue, supervise: Supervise) -> None:
    supervise(workers=2, app=APP, cancel_grace=0.4)
    ids = queue.submit_many("stubborn", [payload(queue)] * 2)
    for one in ids:
        queue.noted(one)
    asked_at = time.monotonic()
    order(queue, ids[0])
    order(queue, ids[1], grace=60)
    cancelled(queue, ids[0], AttemptKind.CANCELLED)
    assert time.monotonic() - asked_at >= 0.4
    # A second order may be harder than the first, and a softer one changes nothing.
    assert queue.show(ids[1]).status is ActivityStatus.RUNNING
    order(queue, ids[1], grace=0)
    cancelled(queue, ids[1], AttemptKind.CANCELLED)


@pytest.mark.once
def test_cancel_leaves_the_neighbour_alone(queue: Queue, supervise: Supervise) -> None:
    supervise(workers=2, app=APP)
    doomed, spared = queue.submit_many("stubborn", [payload(queue)] * 2)
    for one in (doomed, spared):
        queue.noted(one)
    order(queue, doomed, grace=0)
    cancelled(queue, doomed, AttemptKind.CANCELLED)
    queue.gate().touch()
    record = queue.ended(spared)
    assert (record.status, record.attempt) == (ActivityStatus.COMPLETED, 1)


def test_what_is_claimed_and_not_started_never_starts(queue: Queue, supervise: Supervise) -> None:
    supervise(workers=1, app=APP)
    # Until the worker knows them for short ones, and claims many at once.
    queue.all_ended(queue.submit_many("echo", range(50)))
    ids = queue.submit_many("first", [payload(queue) | {"place": place} for place in range(10)])
    queue.noted(ids[0])
    assert order(queue, ids[5]) in (CancelOutcome.REQUESTED, CancelOutcome.CANCELLED)
    cancelled(queue, ids[5], AttemptKind.CANCELLED)
    queue.gate().touch()
    others = queue.all_ended(one for one in ids if one != ids[5])
    assert {(record.status, record.attempt) for record in others} == {(ActivityStatus.COMPLETED, 1)}
    assert ids[5] not in {line.activity_id for line in queue.lines()}


@pytest.mark.once
def test_crash_of_a_cancelled_one_is_not_run_again(queue: Queue, supervise: Supervise) -> None:
    supervised = supervise(workers=1, app=APP)
    one = queue.submit("stubborn", payload(queue))
    worker = queue.noted(one).pid
    # No successor before the order has come.
    os.kill(supervised.template, signal.SIGSTOP)
    os.kill(worker, signal.SIGKILL)
    eventually(lambda: not is_alive(worker))
    assert order(queue, one) is CancelOutcome.REQUESTED
    os.kill(supervised.template, signal.SIGCONT)
    record = queue.ended(one)
    assert (record.status, kinds(record)) == (ActivityStatus.CANCELLED, [AttemptKind.CRASHED])
    assert len(queue.lines()) == 1


@pytest.mark.once
def test_order_that_was_not_heard_comes_with_the_next_heartbeat(queue: Queue, supervise: Supervise) -> None:
    supervise(workers=1, app=APP, lease=1)
    one = queue.submit("stubborn", payload(queue))
    queue.noted(one)
    token = token_of(queue, one)
    # All that `cancel` does, but for the message.
    queue.store.command("HSET", f"{queue.keys.root}activity:{one}", "cancel", "1")
    queue.store.command("HSET", f"{queue.keys.root}cancels:{token.rpartition('/')[0]}", one, f"{token} 0")
    cancelled(queue, one, AttemptKind.CANCELLED)


@pytest.mark.once
def test_cancel_on_a_dead_node_holds_when_its_work_is_taken_back(queue: Queue, supervise: Supervise) -> None:
    first = supervise(workers=1, app=APP)
    one = queue.submit("stubborn", payload(queue))
    queue.noted(one)
    first.process.kill()
    first.process.wait()
    assert order(queue, one) is CancelOutcome.REQUESTED
    supervise(workers=1, app=APP, node=first.node)
    cancelled(queue, one, AttemptKind.CANCELLED)
    assert len(queue.lines()) == 1


@pytest.mark.once
def test_foreign_orders_hit_nobody(queue: Queue, supervise: Supervise) -> None:
    supervise(workers=1, app=APP)
    one = queue.submit("stubborn", payload(queue))
    queue.noted(one)
    token = token_of(queue, one)
    node = token.rpartition("/")[0]
    other = token.rpartition(".")[0]
    texts = ("", "x", f"{one}", f"{one} {node}/0.1", f"{one} {node}/9999.1.1", f"{one} {node}/0.{'9' * 18}.1",
             f"{one} {other}.{'9' * 18}", f"{'0' * 36} {token} 0", f"{one} {token[:-1]}\xff 0")  # fmt: skip
    for text in texts:
        queue.store.command("PUBLISH", queue.keys.control_channel(node), text)
        queue.store.command("HSET", f"{queue.keys.root}cancels:{node}", text[:36], text[37:])
    queue.gate().touch()
    record = queue.ended(one)
    assert (record.status, record.attempt) == (ActivityStatus.COMPLETED, 1)
    two = queue.submit("stubborn", payload(queue) | {"gate": "/nowhere"})
    queue.noted(two)
    order(queue, two, grace=0)
    cancelled(queue, two, AttemptKind.CANCELLED)


def test_children_are_cancelled_with_their_parent_where_that_is_asked(
    queue: Queue, supervise: Supervise, server: EmbeddedServer
) -> None:
    supervise(workers=3, app=APP)
    with ActivityExecutor.connect(server.url, queue.keys.queue) as executor:
        future = executor.execute("parent", payload(queue))
        below = queue.noted(future.activity_id).text.split()
        family = [future.activity_id, *below, *queue.noted(below[-1]).text.split()]
        assert future.record().parent == ""
        assert [queue.show(one).parent for one in below] == [future.activity_id] * 3
        assert future.cancel(grace=0, children=True)
        assert {record.status for record in queue.all_ended(family)} == {ActivityStatus.CANCELLED}


@pytest.mark.once
def test_handler_cancels_its_own_children(queue: Queue, supervise: Supervise) -> None:
    supervise(workers=2, app=APP)
    one = queue.submit("cleans_up", payload(queue))
    child = queue.noted(one).text
    queue.noted(child)
    order(queue, one)
    record = queue.ended(one)
    assert (record.status, record.result) == (ActivityStatus.COMPLETED, b"1")
    cancelled(queue, child, AttemptKind.CANCELLED)
