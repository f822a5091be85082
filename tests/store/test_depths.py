"""Totals of a queue in bites: for a gauge, whatever there is and whoever has been at the keys."""

from __future__ import annotations

import pytest

from rrqmp.model.ids import new_activity_id
from rrqmp.store.calls.cycle import SlotIdent, cycle
from rrqmp.store.calls.depths import BEGIN, Depths, depths
from rrqmp.store.calls.enqueue import MAX_ITEMS, Submission, enqueue
from rrqmp.store.calls.heartbeat import heartbeat
from rrqmp.store.connection import BlockingConnection
from rrqmp.store.keys import QueueKeys
from rrqmp.store.rules import StoreRules

RULES = StoreRules()
IDENT = SlotIdent("host-a@0123456789abcdef", 0, 1)
pytestmark = pytest.mark.once


def submit(store: BlockingConnection, keys: QueueKeys, types: list[str], **more: int) -> None:
    items = [Submission(new_activity_id(), kind, b"{}\n1", **more) for kind in types]
    for at in range(0, len(items), MAX_ITEMS):
        store.run(enqueue(keys, RULES, items[at : at + MAX_ITEMS]))


def read(store: BlockingConnection, keys: QueueKeys) -> tuple[int, Depths, int]:
    """Waiting in all, the first bite, and how many bites there were."""
    first = bite = store.run(depths(keys, RULES))
    waiting, bites = first.waiting, 1
    while bite.cursor != BEGIN:
        bite = store.run(depths(keys, RULES, bite.cursor))
        waiting, bites = waiting + bite.waiting, bites + 1
    return waiting, first, bites


def test_each_status_is_told(store: BlockingConnection, keys: QueueKeys) -> None:
    assert read(store, keys) == (0, Depths(BEGIN, 0, 0, 0, 0, 0), 1)
    submit(store, keys, ["a", "b", "b"])
    submit(store, keys, ["a"], delay_us=60_000_000)
    store.run(heartbeat(keys, RULES, IDENT.node, joining=True, slots=(0,)))
    store.run(cycle(keys, RULES, IDENT, seq=1, want=1, types=("a",)))
    waiting, first, _ = read(store, keys)
    assert (waiting, first.running, first.scheduled, first.dead_letters) == (2, 1, 1, 0)
    assert 0 < first.oldest_us < 60_000_000


def test_thousands_of_types_come_in_bites(store: BlockingConnection, keys: QueueKeys) -> None:
    submit(store, keys, [f"t{number}" for number in range(3000)], priority=2)
    waiting, first, bites = read(store, keys)
    assert waiting == 3000
    assert bites > 2
    # With its head start taken off: of a high priority it would be an hour.
    assert 0 < first.oldest_us < 600_000_000


def test_foreign_bytes_are_passed_over(store: BlockingConnection, keys: QueueKeys) -> None:
    submit(store, keys, ["a", "b"])
    store.command("SET", keys.ready("a"), "a stranger")
    store.command("HSET", keys.single("count"), "x\x1f1", "no number")
    waiting, first, _ = read(store, keys)
    assert (waiting, first.running) == (2, 0)
    assert first.oldest_us > 0
