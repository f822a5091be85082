"""Checkpoint and progress: stored for the attempt that runs, refused to any other, gone or kept at the end."""

from __future__ import annotations

import pytest

from rrqmp.handling.checkpoints import CHECKPOINT_BYTES_MOST
from rrqmp.model.attempt import Ending
from rrqmp.store.calls.attempt_notes import publish_progress, read_checkpoint, save_checkpoint
from rrqmp.store.calls.dead_letters import revive
from rrqmp.store.calls.enqueue import Submission, enqueue
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
    """It runs `x`."""
    store.run(enqueue(keys, RULES, [Submission("x", "t", b"{}\n1")]))
    slot = Slot(store, keys)
    assert slot.claim() == ["x"]
    return slot


def test_checkpoint_is_kept_over_attempts_and_gone_with_the_end(
    store: BlockingConnection, keys: QueueKeys, slot: Slot
) -> None:
    assert store.run(read_checkpoint(keys, "x")) == b""
    data = b"\x00" * CHECKPOINT_BYTES_MOST
    assert store.run(save_checkpoint(keys, "x", slot.held["x"], data))
    for ending in (Ending.RELEASE, Ending.CRASH, Ending.RETRY):
        slot.settle("x", ending)
        store.command("DEL", keys.single("scheduled"))
        store.command("ZADD", keys.ready("t"), 1, "x")
        store.command("ZADD", keys.single("heads"), 1, "t")
        assert slot.claim() == ["x"]
        assert store.run(read_checkpoint(keys, "x")) == data
    record = store.run(show(keys, "x"))
    assert record is not None
    assert record.checkpoint_bytes == len(data)
    slot.settle("x", Ending.DEAD)
    assert store.run(read_checkpoint(keys, "x")) == b""
    store.run(revive(keys, RULES, ["x"]))
    assert store.run(read_checkpoint(keys, "x")) == b""


def test_checkpoint_of_an_attempt_that_was_taken_back_is_refused(
    store: BlockingConnection, keys: QueueKeys, slot: Slot
) -> None:
    late = slot.held["x"]
    slot.cycle()
    assert not store.run(save_checkpoint(keys, "x", late, b"1"))
    assert slot.claim() == ["x"]
    assert not store.run(save_checkpoint(keys, "x", late, b"1"))
    assert store.run(save_checkpoint(keys, "x", slot.held["x"], b"2"))
    assert store.run(read_checkpoint(keys, "x")) == b"2"
    assert not store.run(save_checkpoint(keys, "unknown", late, b"1"))
    assert store.command("EXISTS", keys.activity("unknown")) == 0


def test_progress_of_the_running_attempt_is_shown_and_outlives_it(
    store: BlockingConnection, keys: QueueKeys, slot: Slot
) -> None:
    items = [("x", slot.held["x"], b"[0.5]"), ("x", "n@1/0.1.1", b"[0.9]"), ("unknown", slot.held["x"], b"[1]")]
    assert store.run(publish_progress(keys, items)) == 1
    slot.settle("x", Ending.COMPLETED)
    assert store.run(publish_progress(keys, items)) == 0
    record = store.run(show(keys, "x"))
    assert record is not None
    assert record.progress == b"[0.5]"
    assert store.command("EXISTS", keys.activity("unknown")) == 0


def test_foreign_record_takes_no_notes(store: BlockingConnection, keys: QueueKeys, slot: Slot) -> None:
    token = slot.held["x"]
    store.command("SET", keys.activity("s"), "nonsense")
    assert not store.run(save_checkpoint(keys, "s", token, b"1"))
    assert store.run(publish_progress(keys, [("s", token, b"1"), ("x", token, b"2")])) == 1
    assert store.run(read_checkpoint(keys, "s")) == b""
