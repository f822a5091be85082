"""`max_pending`: a call that would make too many wait is refused whole."""

from __future__ import annotations

import threading

import pytest

from rrqmp.model.attempt import Ending
from rrqmp.store.calls.enqueue import Acceptance, DuplicateRule, EnqueueVerdict, Submission, enqueue
from rrqmp.store.calls.stats import stats
from rrqmp.store.connection import BlockingConnection
from rrqmp.store.embedded import EmbeddedServer
from rrqmp.store.keys import QueueKeys
from rrqmp.store.rules import StoreRules
from tests.store.slot import Slot

# The scripts are the same whatever interpreter sends them.
pytestmark = pytest.mark.once

RULES = StoreRules()


def _send(store: BlockingConnection, keys: QueueKeys, most: int, *items: Submission) -> list[Acceptance]:
    return [verdict.kind for verdict in store.run(enqueue(keys, RULES, items, max_pending=most))]


def _item(name: str, *, delay_us: int = 0, priority: int = 1, activity_type: str = "t") -> Submission:
    return Submission(name, activity_type, b"{}\n1", priority, delay_us)


def test_call_beyond_the_limit_is_refused_whole(store: BlockingConnection, keys: QueueKeys) -> None:
    later, urgent = _item("b", delay_us=60_000_000), _item("c", priority=3, activity_type="u")
    assert _send(store, keys, 4, _item("a"), later, urgent) == [Acceptance.CREATED] * 3
    assert _send(store, keys, 4, _item("d"), _item("e")) == [Acceptance.FULL] * 2
    assert store.command("EXISTS", keys.activity("d"), keys.activity("e")) == 0
    assert _send(store, keys, 4, _item("d")) == [Acceptance.CREATED]
    assert _send(store, keys, 4, _item("e")) == [Acceptance.FULL]
    assert _send(store, keys, 0, _item("e")) == [Acceptance.CREATED]


def test_what_runs_or_has_ended_does_not_count(store: BlockingConnection, keys: QueueKeys) -> None:
    slot = Slot(store, keys)
    for name, ending in (("a", Ending.COMPLETED), ("b", Ending.DEAD), ("c", Ending.CANCELLED)):
        assert _send(store, keys, 1, _item(name)) == [Acceptance.CREATED]
        slot.claim()
        slot.settle(name, ending)
    assert _send(store, keys, 1, _item("d")) == [Acceptance.CREATED]
    slot.claim()
    assert _send(store, keys, 1, _item("e")) == [Acceptance.CREATED]


def test_repeat_and_held_key_are_answered_though_the_queue_is_full(store: BlockingConnection, keys: QueueKeys) -> None:
    first = Submission("a", "t", b"{}\n1", key="k", on_duplicate=DuplicateRule.RETURN_EXISTING)
    assert _send(store, keys, 1, first) == [Acceptance.CREATED]
    assert _send(store, keys, 1, first) == [Acceptance.EXISTS]
    second = first._replace(activity_id="b")
    assert store.run(enqueue(keys, RULES, [second], max_pending=1)) == [EnqueueVerdict(Acceptance.EXISTING, "a")]


def test_racing_clients_never_exceed_the_limit(server: EmbeddedServer, keys: QueueKeys) -> None:
    def race(client: int) -> None:
        with BlockingConnection(server.url) as own:
            for i in range(10):
                _send(own, keys, 25, _item(f"x{client}-{i}"))

    threads = [threading.Thread(target=race, args=(client,)) for client in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with BlockingConnection(server.url) as own:
        assert own.run(stats(keys)).pending_count == 25


def test_foreign_counts_count_as_none(store: BlockingConnection, keys: QueueKeys) -> None:
    store.command("SET", keys.single("count"), "nonsense")
    assert _send(store, keys, 2, _item("a")) == [Acceptance.CREATED]
    store.command("DEL", keys.single("count"))
    store.command("HSET", keys.single("count"), "t\x1f1", "many")
    assert _send(store, keys, 2, _item("b")) == [Acceptance.CREATED]
