"""What handlers leave behind: gone with their worker, whatever group and session it fled to."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from rrqmp.kernel import proc
from rrqmp.model.status import ActivityStatus
from tests.processes.conftest import Supervise
from tests.processes.harness import Queue, eventually, is_alive


@pytest.mark.parametrize("activity_type", ["has_child", "has_daemon", "has_process"])
def test_process_of_a_killed_handler_is_gone_with_it(queue: Queue, supervise: Supervise, activity_type: str) -> None:
    node = supervise(workers=2, app="brood:engine")
    one = queue.submit(activity_type, {"notes": str(queue.notes())}, timeout=0.3, max_retries=0)
    stray = int(queue.noted(one).text)
    assert is_alive(stray)
    queue.ended(one)
    eventually(lambda: not is_alive(stray), patience=2, seen=lambda: (proc.command_line(stray), node.log))


def test_sweep_leaves_the_neighbours_children_alone(queue: Queue, supervise: Supervise) -> None:
    node = supervise(workers=2, app="brood:engine")
    payload = {"notes": str(queue.notes())}
    neighbours = [int(queue.noted(queue.submit("has_daemon", payload)).text)]
    doomed = queue.submit("has_daemon", payload, timeout=0.2, max_retries=0)
    stray = int(queue.noted(doomed).text)
    queue.ended(doomed)
    eventually(lambda: not is_alive(stray), patience=2)
    assert all(map(is_alive, neighbours))
    assert is_alive(node.template)


def test_dozens_of_daemons_are_swept(queue: Queue, supervise: Supervise) -> None:
    supervise(workers=1, app="brood:engine")
    one = queue.submit("has_many", {"notes": str(queue.notes()), "number": 80}, timeout=20, max_retries=0)
    note = queue.noted(one)
    os.kill(note.pid, signal.SIGKILL)
    strays = [int(word) for word in note.text.split()]
    assert len(strays) == 80
    eventually(lambda: not any(map(is_alive, strays)), patience=3)


def test_chain_of_forks_that_flees_into_new_sessions_is_swept(queue: Queue, supervise: Supervise) -> None:
    node = supervise(workers=1, app="brood:engine")
    one = queue.submit("has_bomb", {"notes": str(queue.notes()), "number": 10}, timeout=0.5, max_retries=0)
    queue.noted(one)
    queue.ended(one)
    known = {node.process.pid, node.template, *node.idle()}
    eventually(
        lambda: all(int(line.partition(":")[0]) in known | set(node.workers()) for line in node.left()),
        patience=3,
        seen=node.left,
    )


def test_resource_tracker_may_unlink_its_shared_memory_first(queue: Queue, supervise: Supervise) -> None:
    node = supervise(workers=1, app="brood:engine")
    one = queue.submit("has_shared_memory", {"notes": str(queue.notes())}, timeout=0.3, max_retries=0)
    segment = Path("/dev/shm") / queue.noted(one).text
    assert segment.exists()
    queue.ended(one)
    eventually(lambda: not segment.exists(), patience=3)
    eventually(
        lambda: not [line for line in node.left() if "multiprocessing.resource_tracker" in line],
        patience=3,
        seen=node.left,
    )


def test_daemon_of_a_handler_that_returned_goes_with_its_worker(queue: Queue, supervise: Supervise) -> None:
    node = supervise(workers=1, app="brood:engine")
    one = queue.submit("leaves_daemon", {"notes": str(queue.notes())})
    daemon = int(queue.noted(one).text)
    assert queue.ended(one).status is ActivityStatus.COMPLETED
    assert is_alive(daemon), "it may outlive its activity"
    assert node.stop() == 0
    assert not is_alive(daemon)


def test_handlers_own_children_can_be_asked_to_end(queue: Queue, supervise: Supervise) -> None:
    supervise(workers=1, app="brood:engine")
    record = queue.ended(queue.submit("terminates_children", {"notes": str(queue.notes())}))
    assert record.result == b"[-15]", record
