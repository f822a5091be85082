"""Cancelling what runs: the order hits the activity that it names, and nothing else."""

from __future__ import annotations

import time

from rrqmp.model.attempt import AttemptKind
from rrqmp.model.status import ActivityStatus
from rrqmp.store.calls.cancel import CancelOutcome, cancel
from tests.processes.conftest import Supervise
from tests.processes.harness import RULES, Queue, eventually, is_alive, kinds


def test_running_activity_dies_of_its_cancel_with_its_stack(queue: Queue, supervise: Supervise) -> None:
    supervise(workers=1)
    lateness = []
    for _ in range(3):
        one = queue.submit("hold", {"notes": str(queue.notes()), "gate": "/nowhere"})
        worker = queue.noted(one).pid
        asked_at = time.monotonic()
        assert queue.store.run(cancel(queue.keys, RULES, one)).outcome is CancelOutcome.REQUESTED
        eventually(lambda worker=worker: not is_alive(worker))
        lateness.append(time.monotonic() - asked_at)
        record = queue.ended(one)
        assert (record.status, record.attempt, record.crashes) == (ActivityStatus.CANCELLED, 1, 0)
        assert kinds(record) == [AttemptKind.CANCELLED]
    # What is promised is 20 ms; the machine is shared.
    assert min(lateness) < 0.25, lateness


def test_cancel_leaves_the_neighbour_alone(queue: Queue, supervise: Supervise) -> None:
    supervise(workers=2)
    payload = {"notes": str(queue.notes()), "gate": str(queue.gate())}
    doomed, spared = queue.submit_many("hold", [payload] * 2)
    for one in (doomed, spared):
        queue.noted(one)
    queue.store.run(cancel(queue.keys, RULES, doomed))
    assert queue.ended(doomed).status is ActivityStatus.CANCELLED
    queue.gate().touch()
    record = queue.ended(spared)
    assert (record.status, record.attempt) == (ActivityStatus.COMPLETED, 1)
