"""An operator's hand on a fleet at work: limits, pauses, and the view of its workers."""

from __future__ import annotations

import json
import re
import signal

import pytest
from click.testing import CliRunner

from rrqmp.cli import commands
from rrqmp.client.queue import ActivityQueue
from rrqmp.model.node import SlotState
from rrqmp.model.status import ActivityStatus
from rrqmp.store.embedded import EmbeddedServer
from tests.processes.conftest import Supervise
from tests.processes.harness import RULES, Queue, eventually

# The heartbeat repairs lost wake-ups, and a sleeper looks itself after five seconds: that four of them do so within
# half of it is not likely.
SLEEP_LONG = {"schedule_poll_interval": 5, "lease": 60}
WAKE_SECONDS = 2.5
OFTEN = {"lease": 1}


@pytest.fixture
def operator(queue: Queue) -> ActivityQueue:
    return ActivityQueue(queue.store.run, queue.keys, RULES)


def test_limit_of_one_holds_over_two_nodes(queue: Queue, supervise: Supervise, operator: ActivityQueue) -> None:
    operator.limit("nap", 1)
    nodes = [supervise(), supervise()]
    ids = queue.submit_many("nap", [{"notes": str(queue.notes()), "seconds": 0.005}] * 60)
    eventually(lambda: len(queue.lines()) > 20)
    # Who has ended one takes the next; when its node leaves, the other one goes on.
    at_work = queue.lines()[-1].pid
    next(node for node in nodes if at_work in node.workers()).send(signal.SIGTERM)
    queue.all_ended(ids)
    lines = queue.lines()
    # Start and end of one, then start and end of the next.
    assert [line.text for line in lines] == ["", "done"] * 60
    assert [first.activity_id for first in lines[::2]] == [second.activity_id for second in lines[1::2]]
    assert len({line.pid for line in lines}) > 1
    assert operator.gates().limits == {"nap": 1}


def started(queue: Queue, number: int) -> None:
    """So many handlers have written their line, sooner than by chance."""
    eventually(lambda: len(queue.lines()) == number, patience=WAKE_SECONDS, seen=queue.lines)


def test_raised_limit_wakes_sleeping_workers(queue: Queue, supervise: Supervise, operator: ActivityQueue) -> None:
    operator.limit("hold", 1)
    node = supervise(workers=5, **SLEEP_LONG)
    gate = queue.gate()
    ids = queue.submit_many("hold", [{"notes": str(queue.notes()), "gate": str(gate)}] * 5)
    eventually(queue.lines)
    node.idle(4)
    operator.limit("hold", 5)
    started(queue, 5)
    gate.touch()
    queue.all_ended(ids)


@pytest.mark.parametrize("activity_type", [None, "hold"])
def test_resume_wakes_sleeping_workers(
    queue: Queue, supervise: Supervise, operator: ActivityQueue, activity_type: str | None
) -> None:
    operator.pause(activity_type)
    node = supervise(workers=4, **SLEEP_LONG)
    gate = queue.gate()
    ids = queue.submit_many("hold", [{"notes": str(queue.notes()), "gate": str(gate)}] * 4)
    node.idle(4)
    operator.resume(activity_type)
    started(queue, 4)
    gate.touch()
    queue.all_ended(ids)


def test_pause_under_load_loses_nothing(queue: Queue, supervise: Supervise, operator: ActivityQueue) -> None:
    nodes = [supervise(), supervise()]
    payload = {"notes": str(queue.notes())}
    ids = queue.submit_many("tell", [payload] * 500)
    for turn in range(1, 5):
        eventually(lambda turn=turn: len(queue.lines()) > 40 * turn)
        operator.pause("tell" if turn % 2 else None)
        eventually(lambda: operator.get_stats().running_count == 0)
        waiting = operator.get_stats().pending_count
        ids += queue.submit_many("tell", [payload] * 10)
        for node in nodes:
            node.idle(2)
        # All have looked once more when something was submitted, and none has claimed.
        assert operator.get_stats().pending_count == waiting + 10
        operator.resume("tell" if turn % 2 else None)
    assert {record.status for record in queue.all_ended(ids)} == {ActivityStatus.COMPLETED}
    assert sorted(line.activity_id for line in queue.lines()) == sorted(ids)


def slots_of(operator: ActivityQueue, number: int = 0) -> list[SlotState]:
    node = operator.workers()[number]
    return [slot.state for slot in node.described.slots] if node.described else []


def test_workers_tell_what_each_slot_does(
    queue: Queue, supervise: Supervise, operator: ActivityQueue, server: EmbeddedServer
) -> None:
    node = supervise(**OFTEN)
    gate = queue.gate()
    held = queue.submit("hold", {"notes": str(queue.notes()), "gate": str(gate), "progress": 0.5}, timeout=50)
    pid = queue.noted(held).pid
    eventually(lambda: sorted(slots_of(operator)) == ["busy", "idle"], seen=operator.workers)
    [view] = operator.workers()
    assert (view.name, view.lease_seconds is not None) == (node.node, True)
    assert view.described is not None
    assert (view.described.pid, view.described.queues) == (node.process.pid, (queue.keys.queue,))
    [busy] = [slot for slot in view.described.slots if slot.state is SlotState.BUSY]
    assert (busy.pid, busy.activity_id, busy.activity_type, busy.attempt) == (pid, held, "hold", 1)
    assert (busy.queue, busy.progress, busy.progress_text) == (queue.keys.queue, 0.5, "halfway")
    assert busy.started_at is not None
    assert busy.deadline_at is not None
    assert abs(busy.deadline_at - busy.started_at - 50) < 1
    assert busy.own_bytes is not None
    assert busy.own_bytes < 200 * 2**20
    where = ["--redis-url", server.url, "--queue", queue.keys.queue]
    table = CliRunner(env={"COLUMNS": "200"}).invoke(commands.rrqmp, ["workers", *where]).stdout
    assert f"{node.node}  {queue.keys.queue}  pid {node.process.pid}" in table
    assert "2 slots: 1 busy" in table
    assert re.search(rf"\d +{pid} +busy +hold +{held} +1 +[\d.]+s +in \d+s .* 50% halfway", table), table
    told = json.loads(CliRunner().invoke(commands.rrqmp, ["workers", *where, "--json"]).stdout)
    assert told[0]["described"]["slots"][busy.slot]["activity_id"] == held
    gate.touch()
    eventually(lambda: slots_of(operator) == ["idle", "idle"], seen=operator.workers)


def test_waiting_slot_and_the_one_that_makes_up_for_it_are_told(
    queue: Queue, supervise: Supervise, operator: ActivityQueue
) -> None:
    supervise(app="family:engine", workers=1, **OFTEN)
    payload = {"notes": str(queue.notes()), "gate": str(queue.gate())}
    parent = queue.submit("parent", payload)
    eventually(lambda: slots_of(operator) == ["waiting", "busy"], seen=operator.workers)
    [child] = operator.children(parent)
    rows = list(operator.iter_activities("running"))
    assert [(row.activity_id, row.slot) for row in rows] == [(parent, 0), (child, 1)]
    queue.gate().touch()
    queue.all_ended([parent, child])


def test_description_ends_with_the_lease_of_a_killed_node(
    queue: Queue, supervise: Supervise, operator: ActivityQueue
) -> None:
    node = supervise(**OFTEN)
    eventually(lambda: slots_of(operator) == ["idle", "idle"])
    node.send(signal.SIGKILL)
    node.exit_code()
    eventually(lambda: operator.workers()[0].described is None, seen=operator.workers)
    assert operator.workers()[0].lease_seconds == 0


def test_node_that_drains_says_so(queue: Queue, supervise: Supervise, operator: ActivityQueue) -> None:
    node = supervise(**OFTEN)
    held = queue.submit("hold", {"notes": str(queue.notes()), "gate": str(queue.gate())})
    queue.noted(held)
    node.send(signal.SIGTERM)

    def drains() -> bool:
        views = operator.workers()
        return bool(views and views[0].described and views[0].described.is_draining) and SlotState.DRAINING in slots_of(
            operator
        )

    eventually(drains, seen=operator.workers)
    queue.gate().touch()
    assert node.exit_code() == 0
    assert operator.workers() == ()
