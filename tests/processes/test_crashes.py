"""Crashes: each kind is charged to the one activity that was running, and told in words."""

from __future__ import annotations

import os
import signal
import time

import pytest

from rrqmp.model.attempt import AttemptKind
from rrqmp.model.status import ActivityStatus
from rrqmp.shared_state.board import WorkerState
from tests.processes.conftest import Supervise
from tests.processes.harness import Queue, eventually, kinds
from tests.processes.proxy import Proxy


@pytest.mark.parametrize(
    ("activity_type", "name", "code"),
    [
        ("segfault", "SIGSEGV", None),
        ("abort", "SIGABRT", None),
        ("leave_hard", "", 5),
        ("overflow", "SIGSEGV", None),
        ("kill_self", "SIGKILL", None),
    ],
)
def test_crash_is_charged_with_its_signal_or_code_and_its_line(
    queue: Queue, supervise: Supervise, activity_type: str, name: str, code: int | None
) -> None:
    supervise(workers=1, app="hostile:engine", max_crashes=2)
    record = queue.ended(queue.submit(activity_type))
    assert (record.status, record.reason) == (ActivityStatus.DEAD_LETTER, "poisoned")
    assert (record.attempt, record.crashes) == (2, 2)
    assert kinds(record) == [AttemptKind.CRASHED] * 2
    for attempt in record.attempts:
        assert (attempt.signal, attempt.exit_code) == (name, code)
        if activity_type == "kill_self":
            assert attempt.notes == ("no stack: SIGKILL leaves no time to write one",)
        else:
            assert attempt.where.startswith("hostile.py:"), attempt
            assert activity_type in attempt.stack


def test_sys_exit_is_a_failure_like_any_other_and_costs_no_process(queue: Queue, supervise: Supervise) -> None:
    node = supervise(workers=1, app="hostile:engine")
    [worker] = node.idle()
    record = queue.ended(queue.submit("leave", max_retries=0))
    assert kinds(record) == [AttemptKind.FAILED]
    assert record.attempts[0].error == "SystemExit"
    assert node.idle() == [worker]


def test_first_crash_runs_again_at_once_and_completes(queue: Queue, supervise: Supervise) -> None:
    supervise(workers=1, app="hostile:engine")
    one = queue.submit("crash_once", {"notes": str(queue.notes())})
    record = queue.ended(one)
    assert (record.status, record.attempt, record.crashes) == (ActivityStatus.COMPLETED, 2, 1)
    assert kinds(record) == [AttemptKind.CRASHED, AttemptKind.COMPLETED]
    assert queue.noted(one, 2).at_ns - queue.noted(one, 1).at_ns < 0.5e9


def test_crashes_have_their_own_count_and_leave_the_retries_alone(queue: Queue, supervise: Supervise) -> None:
    supervise(workers=1, app="hostile:engine")
    record = queue.ended(queue.submit("crash_once", {"notes": str(queue.notes())}, max_retries=0))
    assert (record.status, record.attempt) == (ActivityStatus.COMPLETED, 2)


def test_neighbours_of_a_crashed_one_in_its_batch_are_not_charged(queue: Queue, supervise: Supervise) -> None:
    node = supervise(workers=1, app="hostile:engine", max_crashes=1)
    node.idle()
    payload = {"notes": str(queue.notes())}
    # So many that the worker takes batches by the time it meets the one that crashes.
    first = queue.submit_many("tell", [payload] * 200)
    bad = queue.submit("segfault")
    rest = queue.submit_many("tell", [payload] * 100)
    assert queue.ended(bad).reason == "poisoned"
    for record in queue.all_ended([*first, *rest]):
        assert (record.status, record.attempt, record.crashes) == (ActivityStatus.COMPLETED, 1, 0)


def test_death_after_the_handler_returned_is_charged_as_that(queue: Queue, proxy: Proxy, supervise: Supervise) -> None:
    node = supervise(workers=1, url=proxy.url)
    one = queue.submit("hold_first", {"notes": str(queue.notes()), "gate": str(queue.gate())})
    queue.noted(one)
    proxy.hold_requests()
    queue.gate().touch()
    os.kill(node.worker_in(WorkerState.SETTLING), signal.SIGKILL)
    node.logged("after the handler returned")
    # What it had sent never arrives.
    proxy.drop_held()
    record = queue.ended(one)
    assert (record.status, record.attempt, record.crashes) == (ActivityStatus.COMPLETED, 2, 1)
    assert kinds(record) == [AttemptKind.CRASHED, AttemptKind.COMPLETED]
    assert "after the handler returned" in record.attempts[0].message


def test_death_after_the_result_had_arrived_charges_nothing(queue: Queue, proxy: Proxy, supervise: Supervise) -> None:
    node = supervise(workers=1, url=proxy.url)
    one = queue.submit("hold", {"notes": str(queue.notes()), "gate": str(queue.gate())})
    queue.noted(one)
    other = queue.submit("tell", {"notes": str(queue.notes())})
    proxy.hold_replies()
    queue.gate().touch()
    # The call is heard: it settles one and claims the other; only its answer is lost.
    eventually(lambda: queue.show(other).status is ActivityStatus.RUNNING)
    os.kill(node.worker_in(WorkerState.SETTLING), signal.SIGKILL)
    node.logged("after the handler returned")
    proxy.drop_held()
    for each, result in ((one, b"1"), (other, b"1")):
        record = queue.ended(each)
        assert (record.status, record.attempt, record.crashes) == (ActivityStatus.COMPLETED, 1, 0)
        assert (kinds(record), record.result) == ([AttemptKind.COMPLETED], result)


def test_death_while_claiming_charges_nobody_even_if_the_claim_arrives_late(
    queue: Queue, proxy: Proxy, supervise: Supervise
) -> None:
    node = supervise(workers=1, url=proxy.url, schedule_poll_interval=0.1)
    node.idle()
    proxy.hold_requests()
    doomed = node.worker_in(WorkerState.CLAIMING)
    one = queue.submit("tell", {"notes": str(queue.notes())})
    os.kill(doomed, signal.SIGKILL)
    node.logged(f"(pid {doomed}) killed")
    # The dead one's call reaches the server after its death, before or after its successor's.
    proxy.let_go()
    record = queue.ended(one)
    assert (record.status, record.attempt, record.crashes) == (ActivityStatus.COMPLETED, 1, 0)
    assert [line.attempt for line in queue.lines()] == [1]


def test_foreign_words_on_the_channel_of_a_dead_worker_leave_nothing_behind(queue: Queue, supervise: Supervise) -> None:
    node = supervise(workers=1, app="hostile:engine", max_crashes=1, shutdown_timeout=10)
    record = queue.ended(queue.submit("writes_into_our_channel"))
    assert kinds(record) == [AttemptKind.CRASHED]
    assert "Traceback" not in node.log
    # It is forgotten: a stop would wait for it.
    started = time.monotonic()
    assert node.send(signal.SIGTERM).exit_code() == 0
    assert time.monotonic() - started < 5
