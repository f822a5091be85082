"""Children of an activity: which they are, how long that is known, and their cancelling in bites."""

from __future__ import annotations

import pytest

from rrqmp.model.attempt import Ending
from rrqmp.model.status import ActivityStatus
from rrqmp.store.calls.cancel import CancelOrder, ChildrenReply, cancel_children
from rrqmp.store.calls.children import children
from rrqmp.store.calls.dead_letters import discard, trim
from rrqmp.store.calls.enqueue import Submission, enqueue
from rrqmp.store.calls.heartbeat import heartbeat
from rrqmp.store.calls.show import show
from rrqmp.store.connection import BlockingConnection
from rrqmp.store.keys import QueueKeys
from rrqmp.store.rules import StoreRules
from tests.store.slot import Slot

# The scripts are the same whatever interpreter sends them.
pytestmark = pytest.mark.once

RULES = StoreRules()


@pytest.fixture
def slot(store: BlockingConnection, keys: QueueKeys) -> Slot:
    return Slot(store, keys)


def _submit(store: BlockingConnection, keys: QueueKeys, *ids: str, parent: str = "", delay_us: int = 0) -> None:
    items = [Submission(i, "t", b"{}\n1", delay_us=delay_us, parent=parent) for i in ids]
    store.run(enqueue(keys, RULES, items))


def _start_parent(store: BlockingConnection, keys: QueueKeys, slot: Slot) -> None:
    _submit(store, keys, "p")
    assert slot.claim() == ["p"]


def test_children_are_listed_in_the_order_of_their_submission(
    store: BlockingConnection, keys: QueueKeys, slot: Slot
) -> None:
    _start_parent(store, keys, slot)
    names = [f"c{9 - i}" for i in range(9)]
    _submit(store, keys, *names, parent="p")
    # Sent again, as after a lost reply.
    _submit(store, keys, *names, parent="p")
    assert store.run(children(keys, "p")) == names
    assert store.run(children(keys, "p", start=7, most=5)) == names[7:]
    record = store.run(show(keys, "p"))
    assert record is not None
    assert (record.children_count, record.children) == (9, tuple(names))


def test_index_lives_as_long_as_the_parents_record(store: BlockingConnection, keys: QueueKeys, slot: Slot) -> None:
    _start_parent(store, keys, slot)
    _submit(store, keys, "c1", parent="p")
    assert store.command("PTTL", keys.children("p")) == -1
    slot.settle("p", Ending.COMPLETED, result_ttl_ms=120_000)
    assert 110_000 < store.command("PTTL", keys.children("p")) <= 120_000
    # A child that arrives after the end changes nothing of that.
    _submit(store, keys, "c2", parent="p")
    assert 110_000 < store.command("PTTL", keys.children("p")) <= 120_000


def test_parent_of_another_queue_has_an_index_that_ends_by_itself(store: BlockingConnection, keys: QueueKeys) -> None:
    _submit(store, keys, "c", parent="elsewhere")
    assert store.run(children(keys, "elsewhere")) == ["c"]
    assert 0 < store.command("PTTL", keys.children("elsewhere")) <= 86_400_000
    assert store.command("EXISTS", keys.activity("elsewhere")) == 0


def test_index_of_a_dead_parent_goes_with_its_record(store: BlockingConnection, keys: QueueKeys, slot: Slot) -> None:
    for parent, remove in (("p", discard(keys, ["p"])), ("q", trim(keys, dead_older_than_us=1))):
        _submit(store, keys, parent)
        slot.claim()
        _submit(store, keys, f"{parent}c", parent=parent, delay_us=60_000_000)
        slot.settle(parent, Ending.DEAD)
        assert store.command("PTTL", keys.children(parent)) == -1
        store.run(remove)
        assert store.command("EXISTS", keys.children(parent)) == 0


def test_children_without_a_record_leave_a_long_index(store: BlockingConnection, keys: QueueKeys, slot: Slot) -> None:
    _start_parent(store, keys, slot)
    gone = [f"g{i}" for i in range(1200)]
    store.command("ZADD", keys.children("p"), *(word for name in gone for word in (1, name)))
    for i in range(30):
        _submit(store, keys, *(f"c{i}-{n}" for n in range(50)), parent="p")
    listed = store.run(children(keys, "p", most=5000))
    assert sum(name.startswith("c") for name in listed) == 1500
    assert len(listed) < 1700


def test_all_children_are_cancelled_in_bites(store: BlockingConnection, keys: QueueKeys, slot: Slot) -> None:
    _start_parent(store, keys, slot)
    _submit(store, keys, "runs", "ends", parent="p")
    other, third = Slot(store, keys, number=4), Slot(store, keys, number=5)
    assert (other.claim(), third.claim()) == (["runs"], ["ends"])
    third.settle("ends", Ending.COMPLETED)
    _submit(store, keys, "later", parent="p", delay_us=60_000_000)
    _submit(store, keys, "waits", parent="p")
    _submit(store, keys, "stranger")
    replies: list[ChildrenReply] = []
    after: int | None = 0
    while after is not None:
        reply = store.run(cancel_children(keys, RULES, "p", after_us=after, grace_ms=250, bite=1))
        replies.append(reply)
        after = reply.after_us
    assert [i for reply in replies for i in reply.cancelled] == ["later", "waits"]
    assert [i for reply in replies for i in reply.requested] == ["runs"]
    assert len(replies) == 5
    states = {i: record.status for i in ("ends", "later", "stranger") if (record := store.run(show(keys, i)))}
    assert states == {
        "ends": ActivityStatus.COMPLETED,
        "later": ActivityStatus.CANCELLED,
        "stranger": ActivityStatus.PENDING,
    }
    beat = store.run(heartbeat(keys, RULES, other.ident.node, joining=False, slots=range(10)))
    assert beat.cancels == {"runs": CancelOrder(other.held["runs"], 250)}


def test_foreign_value_instead_of_an_index_harms_nobody(store: BlockingConnection, keys: QueueKeys, slot: Slot) -> None:
    _start_parent(store, keys, slot)
    store.command("SET", keys.children("p"), "nonsense")
    _submit(store, keys, "c", parent="p")
    assert store.run(children(keys, "p")) == []
    assert store.run(cancel_children(keys, RULES, "p")) == ChildrenReply([], [], None)
    record = store.run(show(keys, "p"))
    assert record is not None
    assert record.children_count == 0
    assert slot.settle("p", Ending.COMPLETED) == "ok"
    assert slot.claim() == ["c"]


def test_foreign_value_instead_of_a_parent_harms_nobody(store: BlockingConnection, keys: QueueKeys, slot: Slot) -> None:
    store.command("SET", keys.activity("p"), "nonsense")
    _submit(store, keys, "c", parent="p")
    assert slot.claim() == ["c"]
    store.command("ZADD", keys.children("p"), 1, b"\xff", 2, "", 3, "ghost")
    reply = store.run(cancel_children(keys, RULES, "p"))
    assert (reply.cancelled, reply.requested) == ([], ["c"])
