"""Records that a stranger wrote into a ready set: dead letters for people to look at, and no worker dies of them."""

from __future__ import annotations

import pytest

from rrqmp.model.status import ActivityStatus
from tests.processes.conftest import Supervise
from tests.processes.harness import Queue, eventually

pytestmark = pytest.mark.once

ID = "0" * 36


@pytest.mark.parametrize(
    ("activity_id", "fields"),
    [
        (ID, {"spec": b"no json\n1"}),
        (ID, {"spec": b"\xff"}),
        (ID, {"spec": b'{"timeout":1e300}\n1'}),
        (ID, {"spec": b'{"timeout":-1e15}\n1'}),
        (ID, {"spec": b'{"result_ttl":1e300}\n1'}),
        (ID, {"spec": b'{"retry":{"base":1e300,"cap":1e300}}\n1'}),
        ("x" * 3000, {}),
        ("two words", {}),
    ],
)
def test_foreign_record_becomes_a_dead_letter_and_its_worker_goes_on(
    queue: Queue, supervise: Supervise, activity_id: str, fields: dict[str, bytes]
) -> None:
    node = supervise(workers=1)
    (worker,) = node.idle()
    record = {"spec": b"{}\n1", "ty": b"echo", "k": b"2", "st": b"pending"} | fields
    words = [word for pair in record.items() for word in pair]
    queue.store.command("HSET", queue.keys.activity(activity_id), *words)
    queue.store.command("ZADD", queue.keys.ready("echo"), 1, activity_id)
    queue.store.command("ZADD", queue.keys.single("heads"), 1, "echo")
    queue.store.command("RPUSH", queue.keys.wake("echo"), "1")
    eventually(lambda: queue.show(activity_id).status is ActivityStatus.DEAD_LETTER, seen=lambda: node.log)
    assert queue.show(activity_id).reason == "corrupt"
    queue.ended(queue.submit("echo", 1))
    assert node.idle() == [worker]
