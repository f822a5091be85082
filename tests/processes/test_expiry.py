"""Expiry under a real supervisor: in time, although nobody claims."""

from __future__ import annotations

import time

import pytest

from rrqmp.model.attempt import AttemptKind
from rrqmp.store.calls.gates import pause
from tests.processes.conftest import Supervise
from tests.processes.harness import Queue, kinds

pytestmark = pytest.mark.once


def test_activities_expire_in_time_while_their_type_is_paused(queue: Queue, supervise: Supervise) -> None:
    queue.store.run(pause(queue.keys, "note"))
    supervise(workers=1)
    moment = time.time() + 0.3
    # Three bites, told to the supervisor as one earlier time.
    ids = queue.submit_many("note", [None] * 250, expires=moment)
    lateness = []
    for record in queue.all_ended(ids):
        assert kinds(record) == [AttemptKind.EXPIRED]
        assert record.ended_at is not None
        lateness.append(record.ended_at - moment)
    # Some milliseconds are usual; the machine is shared.
    assert 0 <= min(lateness) <= max(lateness) < 0.5, (min(lateness), max(lateness))
