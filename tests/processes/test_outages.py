"""Redis restarted, and Redis away: nothing is lost, and work goes on when it is back."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from rrqmp.model.attempt import AttemptKind
from rrqmp.model.status import ActivityStatus
from rrqmp.store.connection import BlockingConnection
from rrqmp.store.embedded import EmbeddedServer
from rrqmp.store.keys import QueueKeys
from tests.processes.conftest import Supervise
from tests.processes.harness import Queue, eventually, kinds

pytestmark = pytest.mark.once


@pytest.fixture
def own_queue(own_server: EmbeddedServer, queue_name: str, tmp_path: Path) -> Iterator[Queue]:
    """The test's queue on its own server."""
    with BlockingConnection(own_server.url) as store:
        yield Queue(store, QueueKeys(queue_name), tmp_path)


def test_restart_of_redis_loses_nothing_and_runs_nothing_twice(
    own_server: EmbeddedServer, own_queue: Queue, supervise: Supervise
) -> None:
    supervise(workers=2, url=own_server.url)
    payload = {"notes": str(own_queue.notes()), "gate": str(own_queue.gate())}
    running = own_queue.submit_many("hold", [payload] * 2)
    waiting = own_queue.submit_many("tell", [payload] * 100)
    for one in running:
        own_queue.noted(one)
    own_server.close()
    # They end while nobody can hear of it.
    own_queue.gate().touch()
    own_server.start()
    for record in own_queue.all_ended([*running, *waiting]):
        assert (record.status, record.attempt) == (ActivityStatus.COMPLETED, 1)
        assert (record.crashes, record.losses) == (0, 0)
    assert len(own_queue.lines()) == 102


def test_workers_settle_when_redis_is_back_after_a_while(
    own_server: EmbeddedServer, own_queue: Queue, supervise: Supervise
) -> None:
    # Away for longer than the lease, which must not run out for that.
    node = supervise(workers=2, url=own_server.url, lease=1)
    payload = {"notes": str(own_queue.notes()), "gate": str(own_queue.gate())}
    ids = own_queue.submit_many("hold", [payload] * 2)
    workers = {own_queue.noted(one).pid for one in ids}
    own_server.close()
    node.logged("Redis is out of reach")
    own_queue.gate().touch()
    eventually(lambda: list(node.states().values()).count("SETTLING") == 2, seen=node.states)
    own_server.start()
    for record in own_queue.all_ended(ids):
        assert (record.status, record.attempt, record.losses) == (ActivityStatus.COMPLETED, 1, 0)
        assert record.attempts[0].pid in workers
    node.logged("Redis is back after")
    # A worker that came back before its node's next beat was refused more work, and has a successor.
    assert own_queue.ended(own_queue.submit("echo", 1)).status is ActivityStatus.COMPLETED
    assert len(node.idle(2)) == 2
    assert "joined again" not in node.log


def test_deadline_holds_while_redis_is_away_and_is_settled_later(
    own_server: EmbeddedServer, own_queue: Queue, supervise: Supervise
) -> None:
    node = supervise(workers=1, url=own_server.url)
    one = own_queue.submit("hold", {"notes": str(own_queue.notes()), "gate": "/nowhere"}, timeout=0.5, max_retries=0)
    doomed = own_queue.noted(one).pid
    own_server.close()
    node.logged("killed at its deadline")
    # Its successor starts without a server, is killed, and so is the next: nothing of that is a failed start.
    for _ in range(3):
        successor = eventually(lambda: [pid for pid in node.workers() if pid != doomed], seen=lambda: node.log)[0]
        os.kill(successor, signal.SIGKILL)
        node.logged(f"(pid {successor}) killed")
    own_server.start()
    record = own_queue.ended(one)
    assert kinds(record) == [AttemptKind.TIMED_OUT]
    assert (record.attempt, record.crashes) == (1, 0)
    assert own_queue.ended(own_queue.submit("echo", 1)).status is ActivityStatus.COMPLETED
    assert node.process.poll() is None


def test_idle_workers_and_due_timers_survive_a_restart_of_redis(
    own_server: EmbeddedServer, own_queue: Queue, supervise: Supervise
) -> None:
    node = supervise(workers=2, url=own_server.url)
    node.idle(2)
    delayed = own_queue.submit("echo", 1, delay=1)
    workers = set(node.idle(2))
    own_server.close()
    own_server.start()
    assert own_queue.ended(own_queue.submit("echo", 2)).status is ActivityStatus.COMPLETED
    assert own_queue.ended(delayed).status is ActivityStatus.COMPLETED
    assert set(node.idle(2)) == workers


def test_start_waits_for_redis(own_server: EmbeddedServer, own_queue: Queue, supervise: Supervise) -> None:
    own_server.close()
    node = supervise(workers=1, url=own_server.url, wait=False)
    node.logged("trying for 30 s")
    own_server.start()
    node.wait_ready()
    assert own_queue.ended(own_queue.submit("echo", 1)).status is ActivityStatus.COMPLETED


def test_start_without_redis_gives_up_with_the_remedy(supervise: Supervise, tmp_path: Path) -> None:
    node = supervise(workers=1, url=f"unix://{tmp_path}/none.sock", start_timeout=0.1, wait=False)
    assert node.exit_code() == 69
    assert "start a server, give its --redis-url" in node.log


@pytest.mark.once
def test_checkpoint_that_meets_an_outage_is_saved_when_redis_is_back(
    own_server: EmbeddedServer, own_queue: Queue, supervise: Supervise
) -> None:
    supervise(app="lives:engine", workers=1, url=own_server.url)
    payload = {"notes": str(own_queue.notes()), "gate": str(own_queue.gate())}
    one = own_queue.submit("saves_when_told", payload)
    own_queue.noted(one)
    own_server.close()
    own_queue.gate().touch()
    eventually(lambda: any(line.text == "saving" for line in own_queue.lines()))
    own_server.start()
    record = own_queue.ended(one, patience=30)
    # Saved once, and found by the second attempt.
    assert kinds(record) == [AttemptKind.CRASHED, AttemptKind.COMPLETED]
    assert record.result == b'"kept"'
