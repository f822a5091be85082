"""What a running activity waits for goes before all that came after that one."""

from __future__ import annotations

import pytest

from rrqmp.model.attempt import Ending
from rrqmp.model.ids import new_activity_id
from rrqmp.store.calls.enqueue import Submission, enqueue
from rrqmp.store.calls.gates import limit, pause
from rrqmp.store.calls.hasten import awaited, hasten
from rrqmp.store.connection import BlockingConnection
from rrqmp.store.keys import QueueKeys
from rrqmp.store.rules import StoreRules
from tests.store.slot import Slot

pytestmark = pytest.mark.once
RULES = StoreRules()


def submit(
    store: BlockingConnection, keys: QueueKeys, count: int, *, priority: int = 1, delay_us: int = 0
) -> list[str]:
    items = [Submission(new_activity_id(), "t", b"\n1", priority=priority, delay_us=delay_us) for _ in range(count)]
    store.run(enqueue(keys, RULES, items))
    return [item.activity_id for item in items]


def test_what_is_waited_for_overtakes_what_came_after_the_waiter(store: BlockingConnection, keys: QueueKeys) -> None:
    earlier = submit(store, keys, 1)
    [parent, *others] = submit(store, keys, 4)
    children = submit(store, keys, 2, priority=0)
    first, second = Slot(store, keys), Slot(store, keys, number=4)
    assert first.claim(2) == [*earlier, parent]
    assert store.run(hasten(keys, parent, [*children, others[0], "unknown", parent])) == 3
    assert store.run(hasten(keys, parent, children)) == 0
    assert set(second.claim(3)) == {*children, others[0]}
    # What is hastened for a child goes before what is hastened for its parent.
    [grandchild, sibling] = submit(store, keys, 2)
    assert store.run(hasten(keys, parent, [sibling])) == 1
    assert store.run(hasten(keys, children[0], [grandchild])) == 1
    assert Slot(store, keys, number=5).claim(4) == [grandchild, sibling, *others[1:]]


def test_nothing_moves_for_one_that_does_not_run_or_what_is_not_ready(
    store: BlockingConnection, keys: QueueKeys
) -> None:
    [waiting, child] = submit(store, keys, 2)
    [delayed] = submit(store, keys, 1, delay_us=60_000_000)
    assert store.run(hasten(keys, waiting, [child])) == 0
    slot = Slot(store, keys)
    assert slot.claim() == [waiting]
    assert store.run(hasten(keys, waiting, [delayed])) == 0
    slot.settle(waiting, Ending.COMPLETED)
    assert store.run(hasten(keys, waiting, [child])) == 0


def test_hastened_one_keeps_its_place_over_a_release(store: BlockingConnection, keys: QueueKeys) -> None:
    [parent, other, child] = submit(store, keys, 3)
    holder, slot = Slot(store, keys), Slot(store, keys, number=4)
    assert holder.claim() == [parent]
    store.run(hasten(keys, parent, [child]))
    assert slot.claim() == [child]
    slot.settle(child, Ending.RELEASE)
    assert slot.claim(2) == [child, other]


def test_strangers_value_in_place_of_the_ready_set_changes_nothing(store: BlockingConnection, keys: QueueKeys) -> None:
    [parent] = submit(store, keys, 1)
    assert Slot(store, keys).claim() == [parent]
    [child] = submit(store, keys, 1)
    store.command("DEL", keys.activity(child))
    store.command("SET", keys.activity(child), "x")
    assert store.run(hasten(keys, parent, [child])) == 0


def test_awaited_is_what_stands_ready_in_front_of_a_waiter(store: BlockingConnection, keys: QueueKeys) -> None:
    def asked(*waiters: str, types: tuple[str, ...] = ("other", "t")) -> bool:
        return store.run(awaited(keys, types, waiters))

    [parent, _] = submit(store, keys, 2)
    assert Slot(store, keys).claim() == [parent]
    [child] = submit(store, keys, 1)
    assert not asked(parent)
    store.run(hasten(keys, parent, [child]))
    assert asked("unknown", parent)
    # Nobody waits, nobody here may run it, or nobody anywhere.
    assert not asked()
    assert not asked(child)
    assert not asked(parent, types=("other",))
    assert not asked(parent, types=())
    store.run(limit(keys, "t", 1))
    assert not asked(parent)
    store.run(limit(keys, "t", None))
    store.run(pause(keys, "t"))
    assert not asked(parent)
