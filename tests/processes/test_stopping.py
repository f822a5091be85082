"""SIGTERM and its friends: what finishes, what goes back, and how long it may take."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from rrqmp.model.status import ActivityStatus
from rrqmp.shared_state.board import WorkerState
from rrqmp.store.connection import BlockingConnection
from rrqmp.store.embedded import EmbeddedServer
from rrqmp.store.keys import QueueKeys
from tests.processes.conftest import Supervise
from tests.processes.harness import Queue, eventually
from tests.processes.proxy import Proxy

# What is promised is half a second beyond the timeout; this machine is shared with whatever else runs the tests.
SLACK = 2.5


def test_two_second_activities_finish_within_the_shutdown_timeout(queue: Queue, supervise: Supervise) -> None:
    node = supervise(workers=2, shutdown_timeout=5)
    ids = queue.submit_many("nap", [{"notes": str(queue.notes()), "seconds": 2}] * 2)
    for one in ids:
        queue.noted(one)
    node.send(signal.SIGTERM)
    assert node.exit_code() == 0
    assert [(queue.show(one).status, queue.show(one).attempt) for one in ids] == [(ActivityStatus.COMPLETED, 1)] * 2


def test_long_activities_go_back_to_the_head_of_the_queue_uncounted(queue: Queue, supervise: Supervise) -> None:
    node = supervise(workers=2, shutdown_timeout=0.5)
    payload = {"notes": str(queue.notes()), "gate": str(queue.gate())}
    running = queue.submit_many("hold", [payload] * 2)
    for one in running:
        queue.noted(one)
    waiting = queue.submit_many("hold", [payload] * 2)
    asked_at = time.monotonic()
    node.send(signal.SIGTERM)
    assert node.exit_code() == 0
    assert time.monotonic() - asked_at < 0.5 + SLACK
    for one in running:
        record = queue.show(one)
        assert (record.status, record.attempt, record.losses) == (ActivityStatus.PENDING, 0, 0)
        assert not record.attempts
    # At the head: they are the first to run again.
    queue.notes().unlink()
    queue.gate().touch()
    supervise(workers=1, node=node.node)
    queue.all_ended([*running, *waiting])
    order = [line.activity_id for line in queue.lines()]
    assert set(order[:2]) == set(running)
    assert order[2:] == waiting


def test_second_signal_skips_the_wait(queue: Queue, supervise: Supervise) -> None:
    node = supervise(workers=1, shutdown_timeout=60)
    one = queue.submit("hold", {"notes": str(queue.notes()), "gate": "/nowhere"})
    queue.noted(one)
    node.send(signal.SIGTERM).logged("stopping: 1 running")
    asked_at = time.monotonic()
    node.send(signal.SIGINT)
    assert node.exit_code() == 0
    assert time.monotonic() - asked_at < SLACK
    assert (queue.show(one).status, queue.show(one).attempt) == (ActivityStatus.PENDING, 0)


def test_copy_of_the_signal_within_half_a_second_is_the_same_wish(queue: Queue, supervise: Supervise) -> None:
    node = supervise(workers=1, shutdown_timeout=60)
    one = queue.submit("hold", {"notes": str(queue.notes()), "gate": str(queue.gate())})
    queue.noted(one)
    # Ctrl-C in a terminal reaches the whole group, and a parent may pass its own on.
    node.send(signal.SIGINT).logged("stopping: 1 running")
    node.send(signal.SIGINT)
    eventually(lambda: WorkerState.RUNNING.name in node.states().values())
    queue.gate().touch()
    assert node.exit_code() == 0
    assert queue.show(one).status is ActivityStatus.COMPLETED


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal_to_the_whole_process_group_drains_once(queue: Queue, supervise: Supervise, number: int) -> None:
    node = supervise(workers=2, shutdown_timeout=60)
    one = queue.submit("hold", {"notes": str(queue.notes()), "gate": str(queue.gate())})
    queue.noted(one)
    os.killpg(node.process.pid, number)
    node.logged("stopping: 1 running")
    queue.gate().touch()
    assert node.exit_code() == 0
    assert (queue.show(one).status, queue.show(one).attempt) == (ActivityStatus.COMPLETED, 1)


def test_stop_signals_to_template_and_workers_do_nothing(queue: Queue, supervise: Supervise) -> None:
    node = supervise(workers=1)
    one = queue.submit("hold", {"notes": str(queue.notes()), "gate": str(queue.gate())})
    worker = queue.noted(one).pid
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        os.kill(worker, number)
        os.kill(node.template, number)
    queue.gate().touch()
    record = queue.ended(one)
    assert (record.status, record.attempt, record.attempts[0].pid) == (ActivityStatus.COMPLETED, 1, worker)


def test_stop_during_the_import_ends_it(supervise: Supervise, tmp_path: Path) -> None:
    importing = tmp_path / "importing"
    node = supervise(app="slow_import:engine", wait=False, environment={"IMPORTING": str(importing)})
    eventually(importing.exists, seen=lambda: node.log)
    node.send(signal.SIGTERM)
    assert node.exit_code(patience=5) == 0


@pytest.mark.parametrize("turn", range(3))
def test_stop_right_after_the_start_is_clean(supervise: Supervise, turn: int) -> None:
    node = supervise(workers=2)
    asked_at = time.monotonic()
    assert node.stop() == 0, node.log
    assert time.monotonic() - asked_at < SLACK


def test_idle_supervisor_stops_at_once(supervise: Supervise) -> None:
    node = supervise(workers=2)
    node.idle(2)
    asked_at = time.monotonic()
    node.send(signal.SIGTERM)
    assert node.exit_code() == 0
    assert time.monotonic() - asked_at < SLACK
    assert "stopping: nothing is running" in node.log


@pytest.mark.once
def test_stop_without_redis_says_what_is_left_and_keeps_the_board(
    own_server: EmbeddedServer, supervise: Supervise, tmp_path: Path, queue_name: str
) -> None:
    with BlockingConnection(own_server.url) as store:
        queue = Queue(store, QueueKeys(queue_name), tmp_path)
        node = supervise(workers=1, url=own_server.url, shutdown_timeout=0.3)
        one = queue.submit("hold", {"notes": str(queue.notes()), "gate": str(queue.gate())})
        queue.noted(one)
        own_server.close()
        asked_at = time.monotonic()
        node.send(signal.SIGTERM)
        assert node.exit_code() == 1
        assert time.monotonic() - asked_at < 4
        assert "Redis is away: what was running goes back when the lease of" in node.log
        assert node.board_file.exists()
        own_server.start()
        queue.gate().touch()
        # The board tells the next one what to take back, at once.
        supervise(workers=1, url=own_server.url, node=node.node)
        record = queue.ended(one)
        assert (record.status, record.attempt, record.crashes) == (ActivityStatus.COMPLETED, 2, 0)


def test_activity_that_is_claimed_while_the_stop_begins_is_given_back_unrun(
    queue: Queue, proxy: Proxy, supervise: Supervise
) -> None:
    node = supervise(workers=1, url=proxy.url, shutdown_timeout=5)
    first = queue.submit("hold", {"notes": str(queue.notes()), "gate": str(queue.gate())})
    queue.noted(first)
    second = queue.submit("tell", {"notes": str(queue.notes())})
    proxy.hold_replies()
    queue.gate().touch()
    # Its next call settles the first and claims the second; the answer is on its way when the stop begins.
    eventually(lambda: queue.show(second).status is ActivityStatus.RUNNING)
    node.send(signal.SIGTERM).logged("stopping:")
    eventually(lambda: node.read_board(lambda board: any(page.words[71] for page in board.pages)))
    proxy.let_go()
    assert node.exit_code() == 0
    assert queue.show(first).status is ActivityStatus.COMPLETED
    record = queue.show(second)
    assert (record.status, record.attempt) == (ActivityStatus.PENDING, 0)
