"""Blocked slots: handlers that wait for activities never starve the pool, and what replaces them goes again."""

from __future__ import annotations

import os
import signal

import pytest

from rrqmp.model.attempt import AttemptKind
from rrqmp.model.status import ActivityStatus
from rrqmp.store.calls.cancel import cancel
from rrqmp.store.embedded import EmbeddedServer
from tests.processes.conftest import Supervise
from tests.processes.harness import RULES, Queue, Supervised, eventually, is_alive, kinds

APP = "family:engine"


def payload(queue: Queue) -> dict[str, str]:
    return {"notes": str(queue.notes()), "gate": str(queue.gate())}


def completed(queue: Queue, one: str) -> None:
    record = queue.ended(one, patience=30)
    assert (record.status, record.attempt) == (ActivityStatus.COMPLETED, 1), record


def only(supervised: Supervised, workers: int) -> None:
    """Waits until so many workers are left."""
    eventually(lambda: len(supervised.workers()) == workers, seen=lambda: (supervised.states(), supervised.log[-2000:]))


def test_chain_of_fifty_waits_ends_on_two_workers_and_leaves_two(queue: Queue, supervise: Supervise) -> None:
    supervised = supervise(app=APP)
    completed(queue, queue.submit("nested", 50))
    assert "max_waiting" not in supervised.log
    only(supervised, 2)
    completed(queue, queue.submit("nested", 3))


def test_wide_and_recursive_families_end_on_two_workers(queue: Queue, supervise: Supervise) -> None:
    supervise(app=APP)
    for one in [*queue.submit_many("fan", [20] * 4), queue.submit("fib", 6)]:
        completed(queue, one)


FAMILIES = {"fan": [3] * 40, "async_parent": [{"depth": 1}] * 30, "waits_for_stumbling": [2] * 30}


@pytest.mark.parametrize(
    "kind",
    ["async_parent", *[pytest.param(kind, marks=pytest.mark.once) for kind in ("fan", "waits_for_stumbling")]],
)
def test_more_families_than_may_wait_at_once_end_one_after_another(
    queue: Queue, supervise: Supervise, kind: str
) -> None:
    supervised = supervise(app=APP, workers=2, max_waiting=8)
    # All children of the first stand behind the last parent.
    for one in queue.submit_many(kind, FAMILIES[kind]):
        completed(queue, one)
    assert len(supervised.workers()) <= 10


def test_waits_through_a_client_of_the_handlers_own_count_too(
    queue: Queue, supervise: Supervise, server: EmbeddedServer
) -> None:
    supervise(app=APP, workers=1)
    completed(queue, queue.submit("own_client", {"url": server.url, "depth": 2}))


def test_many_short_waits_cost_no_process_each(queue: Queue, supervise: Supervise) -> None:
    supervised = supervise(app=APP, log_level="debug")
    completed(queue, queue.submit("many_short", payload(queue) | {"count": 200}))
    only(supervised, 2)
    assert supervised.log.count(" left: ") <= 4, supervised.log


@pytest.mark.once
def test_idle_neighbour_is_enough(queue: Queue, supervise: Supervise) -> None:
    supervised = supervise(app=APP, workers=3)
    one = queue.submit("parent", payload(queue))
    queue.noted(queue.noted(one).text)
    supervised.idle(1)
    assert len(supervised.workers()) == 3
    queue.gate().touch()
    completed(queue, one)


@pytest.mark.once
def test_limit_of_extra_workers_is_kept_and_told(queue: Queue, supervise: Supervise) -> None:
    supervised = supervise(app=APP, workers=1, max_waiting=2)
    one = queue.submit("nested", 8, timeout=1.5, max_retries=0)
    supervised.logged("raise max_waiting")
    assert len(supervised.workers()) == 3
    assert kinds(queue.ended(one)) == [AttemptKind.TIMED_OUT]


@pytest.mark.once
def test_thread_that_outlives_its_activity_blocks_no_slot(queue: Queue, supervise: Supervise) -> None:
    supervised = supervise(app=APP, workers=1)
    completed(queue, queue.submit("leaves_a_thread", payload(queue)))
    one = queue.submit("leaf", payload(queue))
    queue.gate().touch()
    completed(queue, one)
    only(supervised, 1)


@pytest.mark.once
@pytest.mark.parametrize("end", ["deadline", "cancel"])
def test_end_of_a_waiting_parent_takes_its_extra_worker_along(queue: Queue, supervise: Supervise, end: str) -> None:
    supervised = supervise(app=APP, workers=1)
    one = queue.submit("parent", payload(queue), timeout=0.5 if end == "deadline" else 60, max_retries=0)
    child = queue.noted(one).text
    queue.noted(child)
    assert len(supervised.workers()) == 2
    if end == "cancel":
        queue.store.run(cancel(queue.keys, RULES, one, grace_ms=0))
    expected = AttemptKind.CANCELLED if end == "cancel" else AttemptKind.TIMED_OUT
    assert kinds(queue.ended(one)) == [expected]
    queue.gate().touch()
    completed(queue, child)
    only(supervised, 1)


def test_parent_killed_while_it_waits_finds_its_child_again(queue: Queue, supervise: Supervise) -> None:
    supervise(app=APP, workers=1)
    one = queue.submit("parent", payload(queue))
    first = queue.noted(one)
    queue.noted(first.text)
    os.kill(first.pid, signal.SIGKILL)
    assert queue.noted(one, attempt=2).text == first.text
    queue.gate().touch()
    assert kinds(queue.ended(one)) == [AttemptKind.CRASHED, AttemptKind.COMPLETED]
    completed(queue, first.text)


@pytest.mark.once
def test_stop_releases_a_parent_whose_child_has_not_run(queue: Queue, supervise: Supervise) -> None:
    supervised = supervise(app=APP, workers=1, max_waiting=0, shutdown_timeout=0.3)
    one = queue.submit("parent", payload(queue))
    child = queue.noted(one).text
    supervised.send(signal.SIGTERM)
    assert supervised.exit_code() == 0
    record = queue.show(one)
    assert (record.status, record.attempt, record.attempts) == (ActivityStatus.PENDING, 0, ())
    assert queue.show(child).status is ActivityStatus.PENDING


@pytest.mark.once
def test_extra_workers_die_with_their_supervisor(queue: Queue, supervise: Supervise) -> None:
    supervised = supervise(app=APP, workers=1)
    one = queue.submit("parent", payload(queue))
    queue.noted(queue.noted(one).text)
    workers = supervised.workers()
    assert len(workers) == 2
    supervised.process.kill()
    eventually(lambda: not any(is_alive(pid) for pid in workers))
    supervised.process.wait()
    supervise(app=APP, workers=1, node=supervised.node)
    queue.gate().touch()
    assert queue.ended(one).status is ActivityStatus.COMPLETED


def test_parent_killed_over_fifty_keyed_children_finds_them_again(queue: Queue, supervise: Supervise) -> None:
    supervise(app=APP)
    one = queue.submit("keyed", payload(queue) | {"count": 50})
    first = queue.noted(one)
    os.kill(first.pid, signal.SIGKILL)
    assert queue.ended(one).status is ActivityStatus.COMPLETED
    assert queue.noted(one, attempt=2).text == first.text
    ran = [line.activity_id for line in queue.lines() if line.activity_id != one]
    assert sorted(ran) == sorted(first.text.split())
    assert len(ran) == 50
