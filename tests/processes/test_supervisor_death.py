"""kill -9 of the supervisor: nothing of it lives on, and the next of its name takes its activities back at once."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from rrqmp.model.attempt import AttemptKind
from rrqmp.model.status import ActivityStatus
from tests.processes.conftest import Supervise
from tests.processes.harness import Queue, Supervised, eventually, is_alive, kinds
from tests.processes.proxy import Proxy

PROMISED_SECONDS = 1.0


def kill_supervisor(node: Supervised) -> float:
    """Kills it and waits until all that carries its mark is gone; seconds that this took."""
    killed_at = time.monotonic()
    node.send(signal.SIGKILL)
    node.exit_code()
    eventually(lambda: not node.left(), patience=5, seen=node.left)
    return time.monotonic() - killed_at


def test_nothing_of_a_killed_supervisor_nor_of_its_handlers_lives_on(queue: Queue, supervise: Supervise) -> None:
    node = supervise(workers=3, app="brood:engine")
    ids = [queue.submit(kind, {"notes": str(queue.notes())}) for kind in ("has_child", "has_daemon", "has_process")]
    brood = [int(queue.noted(one).text) for one in ids]
    assert all(map(is_alive, brood))
    killed_at = time.monotonic()
    kill_supervisor(node)
    # A process in the middle of its exit has no environment any more, so no mark, and is no zombie yet.
    eventually(lambda: not any(map(is_alive, brood)), seen=node.left)
    assert time.monotonic() - killed_at < PROMISED_SECONDS


def test_nothing_of_a_supervisor_that_was_killed_during_the_import_lives_on(
    supervise: Supervise, tmp_path: Path
) -> None:
    importing = tmp_path / "importing"
    node = supervise(app="slow_import:engine", wait=False, environment={"IMPORTING": str(importing)})
    eventually(importing.exists, seen=lambda: node.log)
    assert kill_supervisor(node) < PROMISED_SECONDS


def test_supervisor_that_is_killed_with_its_template_leaves_no_worker(queue: Queue, supervise: Supervise) -> None:
    node = supervise(workers=2)
    node.idle(2)
    template = node.template
    node.send(signal.SIGSTOP)
    os.kill(template, signal.SIGKILL)
    assert kill_supervisor(node) < PROMISED_SECONDS


def test_next_supervisor_of_the_name_takes_the_activities_back_at_once(queue: Queue, supervise: Supervise) -> None:
    first = supervise(workers=2, lease=60)
    ids = queue.submit_many("hold_first", [{"notes": str(queue.notes()), "gate": "/nowhere"}] * 2)
    for one in ids:
        queue.noted(one, 1)
    kill_supervisor(first)
    second = supervise(workers=2, lease=60, node=first.node)
    # Far below the lease of a minute.
    for record in queue.all_ended(ids, patience=5):
        assert (record.status, record.attempt) == (ActivityStatus.COMPLETED, 2)
        assert (record.crashes, record.losses) == (0, 1), "a restart is no crash"
    assert "took back 2 activities" in second.log


def test_strays_that_the_guard_could_not_kill_die_at_the_next_start(queue: Queue, supervise: Supervise) -> None:
    first = supervise(workers=1, app="brood:engine")
    daemon = int(queue.noted(queue.submit("has_daemon", {"notes": str(queue.notes())})).text)
    # Without the guard nobody looks for what fled its process group.
    first.send(signal.SIGSTOP)
    os.kill(first.template, signal.SIGKILL)
    first.send(signal.SIGKILL)
    first.exit_code()
    assert is_alive(daemon)
    second = supervise(workers=1, node=first.node)
    assert not is_alive(daemon)
    assert "killed 1 processes that handlers of" in second.log


def test_report_that_lay_unsettled_in_the_board_is_settled_after_the_restart(
    queue: Queue, proxy: Proxy, supervise: Supervise
) -> None:
    first = supervise(workers=1, url=proxy.url, lease=60)
    one = queue.submit("hold", {"notes": str(queue.notes()), "gate": "/nowhere"}, timeout=0.3, max_retries=0)
    queue.noted(one)
    # No call of any worker reaches the server any more: the successor cannot settle.
    proxy.hold_requests()
    first.logged("killed at its deadline")
    kill_supervisor(first)
    proxy.drop_held()
    assert queue.show(one).status is ActivityStatus.RUNNING
    supervise(workers=1, node=first.node)
    record = queue.ended(one)
    assert (record.status, record.attempt, record.losses) == (ActivityStatus.DEAD_LETTER, 1, 0)
    assert kinds(record) == [AttemptKind.TIMED_OUT]
    assert "acts.py" in record.attempts[0].stack


def test_board_of_a_killed_supervisor_that_held_nothing_does_not_hinder_the_next(
    queue: Queue, supervise: Supervise
) -> None:
    first = supervise(workers=1)
    first.idle()
    kill_supervisor(first)
    assert first.board_file.exists()
    supervise(workers=1, node=first.node)
    assert queue.ended(queue.submit("echo", 1)).attempt == 1


def test_template_that_is_busy_when_its_supervisor_dies_still_cleans_up(queue: Queue, supervise: Supervise) -> None:
    node = supervise(workers=2, app="brood:engine")
    crashes, lives = (queue.noted(queue.submit("has_child", {"notes": str(queue.notes())})) for _ in range(2))
    template = node.template
    os.kill(template, signal.SIGSTOP)
    os.kill(crashes.pid, signal.SIGKILL)
    node.logged(f"pid {crashes.pid}")
    node.send(signal.SIGKILL)
    node.exit_code()
    # It finds the order to fork first, and the death when it answers.
    os.kill(template, signal.SIGCONT)
    eventually(lambda: not node.left() and not is_alive(int(lives.text)), patience=5, seen=node.left)
