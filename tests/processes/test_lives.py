"""What runs around activities in a worker: hooks, setup, teardown. It costs no attempt and eats no activity."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rrqmp.model.codec import decode
from rrqmp.model.status import ActivityStatus
from rrqmp.store.calls.cancel import CancelOutcome, cancel
from tests.processes.conftest import Supervise
from tests.processes.harness import RULES, Queue, Supervised, eventually


@pytest.fixture
def alive(supervise: Supervise, tmp_path: Path) -> Callable[..., Supervised]:
    """Starts a supervisor whose handlers are told where the test's folder is."""

    def start(**options: Any) -> Supervised:
        environment = {"LIVES_FOLDER": str(tmp_path)}
        return supervise(**{"app": "lives:engine", "workers": 1, "environment": environment, **options})

    return start


Alive = Callable[..., Supervised]


def told(folder: Path, what: str) -> list[str]:
    """Lines that begin with it."""
    file = folder / "told"
    return [line for line in file.read_text().splitlines() if line.startswith(what)] if file.exists() else []


def test_type_is_set_up_once_a_worker_and_torn_down_at_its_end(queue: Queue, alive: Alive, tmp_path: Path) -> None:
    node = alive()
    [worker] = node.idle()
    assert told(tmp_path, "start") == [f"start slot=0 queues=1 {worker}"]
    records = queue.all_ended(queue.submit_many("fine", [None] * 20))
    assert {decode(record.result) for record in records} == {f"loaded in {worker}"}
    assert {record.attempt for record in records} == {1}
    assert told(tmp_path, "setup") == [f"setup slot=0 {worker}"]
    assert node.send(signal.SIGTERM).exit_code(patience=10) == 0
    # What a teardown raises stops nobody.
    assert told(tmp_path, "teardown") == [f"teardown {worker}"]
    assert told(tmp_path, "stop") == [f"stop {worker}"]
    assert "teardown of fine failed" in node.log


@pytest.mark.once
def test_teardown_that_hangs_is_killed_in_two_seconds(queue: Queue, alive: Alive, tmp_path: Path) -> None:
    (tmp_path / "teardown hangs").touch()
    node = alive()
    queue.ended(queue.submit("fine"))
    assert node.send(signal.SIGTERM).exit_code(patience=6) == 0
    assert "in teardown or on_worker_stop" in node.log
    assert "lives.py" in node.log


@pytest.mark.parametrize("how", ["raise", "hang", "crash"])
def test_setup_that_fails_eats_no_activity_and_no_processor(
    queue: Queue, alive: Alive, tmp_path: Path, how: str
) -> None:
    (tmp_path / "setup").write_text(how)
    node = alive()
    one = queue.submit("troubled", max_retries=0)
    node.logged("no attempt is charged")
    # Meanwhile the worker, or its successor, is there for everything else.
    assert queue.ended(queue.submit("echo", 1)).status is ActivityStatus.COMPLETED
    waiting = queue.show(one)
    assert (waiting.status, waiting.attempt, waiting.crashes) == (ActivityStatus.PENDING, 0, 0)
    eventually(lambda: len(told(tmp_path, "setup")) >= 2)
    assert len(told(tmp_path, "setup")) <= 3
    (tmp_path / "setup").unlink()
    record = queue.ended(one, patience=30)
    assert (record.status, record.attempt, record.crashes) == (ActivityStatus.COMPLETED, 1, 0)
    workers = {line.rpartition(" ")[2] for line in told(tmp_path, "setup")}
    assert (len(workers) == 1) is (how == "raise")


def test_callback_of_a_dead_letter_finds_its_handler_set_up(queue: Queue, alive: Alive, tmp_path: Path) -> None:
    alive()
    assert queue.ended(queue.submit("troubled", "fail")).status is ActivityStatus.DEAD_LETTER
    eventually(lambda: told(tmp_path, "dead letter, ready=True"))


@pytest.mark.once
@pytest.mark.parametrize("how", ["raise", "hang"])
def test_worker_whose_start_hook_fails_claims_nothing(queue: Queue, alive: Alive, tmp_path: Path, how: str) -> None:
    (tmp_path / "start").write_text(how)
    one = queue.submit("echo", 1)
    node = alive(wait=False)
    node.logged("start failed: this worker claims nothing" if how == "raise" else "in on_worker_start")
    eventually(lambda: len(told(tmp_path, "start")) >= 3)
    assert queue.show(one).status is ActivityStatus.PENDING
    (tmp_path / "start").unlink()
    assert queue.ended(one).attempt == 1


@pytest.mark.once
def test_long_setup_holds_up_nothing_that_was_claimed_with_it(queue: Queue, alive: Alive, tmp_path: Path) -> None:
    alive(workers=2)
    # Short ones make the workers claim many at once.
    ids = queue.submit_many("echo", [None] * 2000)
    slow = queue.submit("loads_long")
    ids += queue.submit_many("echo", [None] * 200)
    queue.await_(slow, lambda record: record.status is ActivityStatus.RUNNING)
    eventually(lambda: queue.stats().completed_count == len(ids), patience=1.5, seen=queue.stats)
    assert queue.show(slow).status is ActivityStatus.RUNNING


def test_activity_that_is_cancelled_during_its_setup_does_not_begin(queue: Queue, alive: Alive, tmp_path: Path) -> None:
    alive()
    one = queue.submit("loads_long")
    eventually(lambda: told(tmp_path, "long"))
    assert queue.store.run(cancel(queue.keys, RULES, one)).outcome is CancelOutcome.REQUESTED
    record = queue.ended(one)
    assert record.status is ActivityStatus.CANCELLED
    assert [attempt.run_seconds for attempt in record.attempts] == [None]
    # The setup was not in vain.
    assert queue.ended(queue.submit("loads_long")).status is ActivityStatus.COMPLETED
    assert len(told(tmp_path, "long")) == 1


def test_stop_that_cuts_a_teardown_short_speaks_of_no_activity(queue: Queue, alive: Alive, tmp_path: Path) -> None:
    (tmp_path / "teardown hangs").touch()
    node = alive(shutdown_timeout=0.2)
    queue.ended(queue.submit("fine"))
    assert node.send(signal.SIGTERM).exit_code() == 0
    assert "stopping: nothing is running" in node.log
    assert "nothing was running any more: 1 workers had not left in time" in node.log
    assert "go back to the head" not in node.log
