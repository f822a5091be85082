"""How what was accepted comes to another end than its own: cancelled, given back, revived, discarded."""

from __future__ import annotations

import time

import pytest

from rrqmp.model.attempt import Ending, decode_attempt
from rrqmp.model.status import ActivityStatus
from rrqmp.store.calls.attempt_notes import publish_progress, save_checkpoint
from rrqmp.store.calls.cancel import CancelOrder, CancelOutcome, cancel
from rrqmp.store.calls.dead_letters import discard, revive
from rrqmp.store.calls.enqueue import Submission, enqueue
from rrqmp.store.calls.heartbeat import heartbeat
from rrqmp.store.calls.promote import promote
from rrqmp.store.calls.show import show
from rrqmp.store.calls.watch import read_done_notice, watch
from rrqmp.store.connection import BlockingConnection
from rrqmp.store.embedded import EmbeddedServer
from rrqmp.store.keys import QueueKeys
from rrqmp.store.notices import NoticeKind, NoticeListener
from rrqmp.store.rules import StoreRules
from tests.store.slot import NODE, Slot

# The scripts are the same whatever interpreter sends them.
pytestmark = pytest.mark.once

RULES = StoreRules()


@pytest.fixture
def slot(store: BlockingConnection, keys: QueueKeys) -> Slot:
    return Slot(store, keys)


def _submit(store: BlockingConnection, keys: QueueKeys, *ids: str) -> None:
    store.run(enqueue(keys, RULES, [Submission(i, "t", b"{}\n1") for i in ids]))


def test_cancel_carries_its_grace_and_the_last_word_stands(
    store: BlockingConnection, keys: QueueKeys, slot: Slot
) -> None:
    _submit(store, keys, "x")
    slot.claim()
    for grace_ms in (5000, None, 250):
        store.run(cancel(keys, RULES, "x", grace_ms=grace_ms))
        beat = store.run(heartbeat(keys, RULES, NODE, joining=False, slots=range(10)))
        assert beat.cancels == {"x": CancelOrder(slot.held["x"], grace_ms)}
    slot.settle("x", Ending.COMPLETED)
    assert store.command("EXISTS", keys.cancels(NODE)) == 0


def test_foreign_value_among_the_cancels_stops_none(store: BlockingConnection, keys: QueueKeys, slot: Slot) -> None:
    _submit(store, keys, "x")
    slot.claim()
    store.command("SET", keys.cancels(NODE), "nonsense")
    assert store.run(cancel(keys, RULES, "x")).outcome is CancelOutcome.REQUESTED
    store.command("HSET", keys.cancels(NODE), b"\xff", b"\xff 5", "y", "")
    beat = store.run(heartbeat(keys, RULES, NODE, joining=False, slots=range(10)))
    assert beat.cancels["x"] == CancelOrder(slot.held["x"])


def test_release_with_a_delay_is_scheduled_and_counts_no_attempt(
    store: BlockingConnection, keys: QueueKeys, slot: Slot
) -> None:
    _submit(store, keys, "x", "y")
    slot.claim()
    slot.settle("x", Ending.RELEASE, delay_us=60_000_000)
    record = store.run(show(keys, "x"))
    assert record is not None
    assert (record.status, record.attempt, record.attempts) == (ActivityStatus.SCHEDULED, 0, ())
    assert record.due_at is not None
    assert 55 < record.due_at - time.time() < 65
    assert slot.claim() == ["y"]
    store.command("ZADD", keys.single("scheduled"), 1, "1t\x1fx")
    store.run(promote(keys, RULES))
    assert slot.claim() == ["x"]


def test_revived_activity_is_as_if_new(store: BlockingConnection, keys: QueueKeys, slot: Slot) -> None:
    _submit(store, keys, "x")
    for ending in (Ending.CRASH, Ending.RETRY, Ending.DEAD):
        assert slot.claim() == ["x"]
        token = slot.held["x"]
        store.run(publish_progress(keys, [("x", token, b"1")]))
        store.run(save_checkpoint(keys, "x", token, b"1"))
        slot.settle("x", ending)
        store.run(promote(keys, RULES))
    store.run(revive(keys, RULES, ["x"]))
    record = store.run(show(keys, "x"))
    assert record is not None
    assert (record.status, record.attempt, record.crashes, record.losses) == (ActivityStatus.PENDING, 0, 0, 0)
    assert (record.progress, record.checkpoint_bytes, record.ended_at, record.reason) == (b"", 0, None, "")
    # What happened is still told.
    assert len(record.attempts) == 3
    assert slot.cycle(want=1).claims[0].attempt == 1


def test_discarding_is_told_and_frees_the_key(server: EmbeddedServer, keys: QueueKeys) -> None:
    with BlockingConnection(server.url) as store:
        listener = NoticeListener(server.url)
        listener.subscribe(keys.done_channel("me"), keys.done_channel("x"))
        while (notice := listener.next(5)) and notice.kind is not NoticeKind.CONNECTED:
            pass
        slot = Slot(store, keys)
        spec = b'{"reply":"me","key":"k"}\n1'
        store.run(enqueue(keys, RULES, [Submission("x", "t", spec, key="k", on_duplicate="no_reuse")]))
        store.run(watch(keys, ["x"]))
        slot.claim()
        slot.settle("x", Ending.DEAD)
        assert store.run(discard(keys, ["x", "x"])) == 1
        told = [listener.next(5) for _ in range(4)]
        for one, kind in zip(told, ("failed", "failed", "discarded", "discarded"), strict=True):
            assert one is not None
            done = read_done_notice(one.message)
            assert (done.status, decode_attempt(done.out or b"").kind) == (ActivityStatus.DEAD_LETTER, kind)
        assert store.command("EXISTS", keys.idempotency("t", "k")) == 0
        listener.close()
        listener.next(0)
