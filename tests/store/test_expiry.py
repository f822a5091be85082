"""Expiry: what has not been started by its time ends as expired, whoever comes upon it first, and is told at once."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from rrqmp.model.attempt import AttemptKind, Ending
from rrqmp.model.status import ActivityStatus
from rrqmp.store.calls.cancel import CancelOutcome, cancel
from rrqmp.store.calls.dead_letters import revive
from rrqmp.store.calls.ends import ReclaimCause, reclaim, release
from rrqmp.store.calls.enqueue import DuplicateRule, Submission, enqueue
from rrqmp.store.calls.gates import pause
from rrqmp.store.calls.heartbeat import heartbeat
from rrqmp.store.calls.promote import PROMOTE_BITE, promote
from rrqmp.store.calls.show import show
from rrqmp.store.calls.stats import stats
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
# Long ago, and long from now.
PAST_US = 1_000_000
HOUR_US = 3_600_000_000


@pytest.fixture
def slot(store: BlockingConnection, keys: QueueKeys) -> Slot:
    return Slot(store, keys)


def _now_us(store: BlockingConnection) -> int:
    seconds, microseconds = store.command("TIME")
    return int(seconds) * 1_000_000 + int(microseconds)


def _submit(
    store: BlockingConnection, keys: QueueKeys, *ids: str, expires_us: int = PAST_US, delay_us: int = 0,
    spec: bytes = b'{"reply":"me"}\n1', key: str = "",
) -> None:  # fmt: skip
    items = [
        Submission(i, "t", spec, 1, delay_us, 0, key, DuplicateRule.ALLOW_REUSE_ON_FAILURE, expires_us=expires_us)
        for i in ids
    ]
    store.run(enqueue(keys, RULES, items))


def _assert_expired(store: BlockingConnection, keys: QueueKeys, *ids: str) -> None:
    for activity_id in ids:
        record = store.run(show(keys, activity_id))
        assert record is not None
        assert (record.status, record.attempts[-1].kind) == (ActivityStatus.CANCELLED, AttemptKind.EXPIRED)
    assert store.command("EXISTS", keys.single("expiries"), keys.single("scheduled"), keys.ready("t")) == 0
    assert store.run(stats(keys)).pending_count == 0


def test_expired_activity_ends_without_any_claimer(store: BlockingConnection, keys: QueueKeys) -> None:
    _submit(store, keys, "ready")
    _submit(store, keys, "later", delay_us=HOUR_US)
    _submit(store, keys, "both", delay_us=1)
    store.run(pause(keys))
    reply = store.run(promote(keys, RULES))
    assert (reply.promoted, reply.expired, reply.next_due_us) == (0, 3, None)
    _assert_expired(store, keys, "ready", "later", "both")


def test_next_expiry_is_told_to_whoever_keeps_the_timer(store: BlockingConnection, keys: QueueKeys, slot: Slot) -> None:
    ahead = _now_us(store) + HOUR_US
    _submit(store, keys, "later", expires_us=0, delay_us=2 * HOUR_US)
    _submit(store, keys, "x", expires_us=ahead)
    assert store.run(promote(keys, RULES)).next_due_us == ahead
    assert store.run(heartbeat(keys, RULES, NODE, joining=False, slots=[3])).next_due_us == ahead
    assert slot.claim() == ["x"]
    slot.settle("x", Ending.COMPLETED)
    later = store.run(promote(keys, RULES)).next_due_us
    assert later is not None
    assert later > ahead


def test_earlier_expiry_and_the_end_are_told_at_once(server: EmbeddedServer, keys: QueueKeys) -> None:
    with BlockingConnection(server.url) as store:
        listener = NoticeListener(server.url)
        listener.subscribe(keys.due_channel, keys.done_channel("me"), keys.done_channel("x"))
        while (notice := listener.next(5)) and notice.kind is not NoticeKind.CONNECTED:
            pass
        ahead = _now_us(store) + HOUR_US
        _submit(store, keys, "y", expires_us=ahead + 5)
        _submit(store, keys, "z", expires_us=ahead + 9)
        _submit(store, keys, "x", expires_us=ahead)
        told = [(listener.next(5) or notice) for _ in range(2)]
        assert [one.message for one in told if one] == [str(ahead + 5).encode(), str(ahead).encode()]
        store.run(watch(keys, ["x"]))
        store.command("HSET", keys.activity("x"), "exp", 5)
        store.command("ZADD", keys.single("expiries"), 5, "x")
        store.run(promote(keys, RULES))
        for channel in ("me", "x"):
            end = listener.next(5)
            assert end is not None
            assert end.channel == keys.done_channel(channel)
            done = read_done_notice(end.message)
            assert (done.activity_id, done.status) == ("x", ActivityStatus.CANCELLED)
            assert b'"kind":"expired"' in (done.out or b"")
        listener.close()
        listener.next(0)


def test_expired_activity_is_not_claimed(store: BlockingConnection, keys: QueueKeys, slot: Slot) -> None:
    _submit(store, keys, "x")
    _submit(store, keys, "good", expires_us=_now_us(store) + HOUR_US)
    _submit(store, keys, "y")
    assert slot.claim(3) == ["good"]
    slot.settle("good", Ending.COMPLETED)
    _assert_expired(store, keys, "x", "y")


def test_work_behind_many_expired_ones_is_found(store: BlockingConnection, keys: QueueKeys, slot: Slot) -> None:
    _submit(store, keys, *(f"x{i}" for i in range(120)))
    _submit(store, keys, "good", expires_us=0)
    claimed: list[str] = []
    for calls in range(1, 4):  # noqa: B007 - told below
        store.command("DEL", keys.wake("t"))
        claimed = slot.claim()
        if claimed:
            break
        # Whoever sleeps is woken for the rest.
        assert store.command("LLEN", keys.wake("t")) > 0
    assert (claimed, calls) == (["good"], 3)


def test_waiter_ends_it_where_no_supervisor_serves_the_queue(store: BlockingConnection, keys: QueueKeys) -> None:
    _submit(store, keys, "x", "y")
    first, second, again = store.run(watch(keys, ["x", "y", "x"]))
    assert (first.status, second.status) == (ActivityStatus.CANCELLED, ActivityStatus.CANCELLED)
    assert b'"kind":"expired"' in first.out
    assert again == first
    _assert_expired(store, keys, "x", "y")
    assert store.run(stats(keys)).cancelled_count == 2
    assert store.run(watch(keys, ["x"])) == [first]


def _crash(slot: Slot) -> None:
    slot.settle("x", Ending.CRASH)


def _retry(slot: Slot) -> None:
    slot.settle("x", Ending.RETRY)


def _hand_back(slot: Slot) -> None:
    slot.settle("x", Ending.RELEASE)


def _hand_back_for_a_while(slot: Slot) -> None:
    slot.settle("x", Ending.RELEASE, delay_us=1)


def _lose(slot: Slot) -> None:
    slot.store.run(reclaim(slot.keys, RULES, NODE, ReclaimCause.RESTART))
    slot.store.run(heartbeat(slot.keys, RULES, NODE, joining=True, slots=[3]))


@pytest.mark.parametrize("end", [_crash, _retry, _hand_back, _hand_back_for_a_while, _lose])
def test_what_has_started_once_does_not_expire(
    store: BlockingConnection, keys: QueueKeys, slot: Slot, end: Callable[[Slot], None]
) -> None:
    _submit(store, keys, "x", expires_us=_now_us(store) + HOUR_US)
    assert slot.claim() == ["x"]
    store.command("HSET", keys.activity("x"), "exp", PAST_US)
    end(slot)
    reply = store.run(promote(keys, RULES))
    assert (reply.expired, store.command("EXISTS", keys.single("expiries"))) == (0, 0)
    assert slot.claim() == ["x"]


def _ask_for_more(slot: Slot) -> None:
    slot.cycle()


def _take_back(slot: Slot) -> None:
    slot.store.run(release(slot.keys, RULES, NODE, slot.ident.slot, list(slot.held.items())))


def _close_slot(slot: Slot) -> None:
    slot.store.run(heartbeat(slot.keys, RULES, NODE, joining=False, slots=[]))


@pytest.mark.parametrize("take", [_ask_for_more, _take_back, _close_slot])
def test_what_was_claimed_and_taken_back_unstarted_expires_still(
    store: BlockingConnection, keys: QueueKeys, slot: Slot, take: Callable[[Slot], None]
) -> None:
    ahead = _now_us(store) + HOUR_US
    _submit(store, keys, "x", expires_us=ahead)
    assert slot.claim() == ["x"]
    take(slot)
    assert store.run(promote(keys, RULES)).next_due_us == ahead
    store.command("HSET", keys.activity("x"), "exp", PAST_US)
    store.command("ZADD", keys.single("expiries"), PAST_US, "x")
    assert store.run(promote(keys, RULES)).expired == 1
    _assert_expired(store, keys, "x")


def test_cancelled_activity_leaves_no_expiry_behind(store: BlockingConnection, keys: QueueKeys) -> None:
    _submit(store, keys, "x", expires_us=_now_us(store) + HOUR_US)
    assert store.run(cancel(keys, RULES, "x")).outcome is CancelOutcome.CANCELLED
    assert store.command("EXISTS", keys.single("expiries")) == 0


def test_revived_activity_expires_no_more(store: BlockingConnection, keys: QueueKeys, slot: Slot) -> None:
    _submit(store, keys, "x", expires_us=_now_us(store) + HOUR_US)
    slot.claim()
    slot.settle("x", Ending.DEAD)
    store.command("HSET", keys.activity("x"), "exp", PAST_US)
    store.run(revive(keys, RULES, ["x"]))
    assert slot.claim() == ["x"]


def test_expired_activity_is_remembered_as_long_as_its_submitter_asked(
    store: BlockingConnection, keys: QueueKeys
) -> None:
    _submit(store, keys, "x", spec=b'{"result_ttl":300.5}\n1')
    _submit(store, keys, "y", spec=b'{"result_ttl":1e300}\n1')
    _submit(store, keys, "z", spec=b'{"result_ttl":1}\n1')
    assert store.run(promote(keys, RULES)).expired == 3
    lives = [store.command("PTTL", keys.activity(i)) for i in "xyz"]
    assert 295_000 < lives[0] <= 300_500
    assert 2_591_000_000 < lives[1] <= 2_592_000_000
    assert 55_000 < lives[2] <= 60_000


def test_many_that_expire_together_end_bite_by_bite(store: BlockingConnection, keys: QueueKeys) -> None:
    for start in range(0, 1000, 200):
        _submit(store, keys, *(f"x{start + i}" for i in range(200)))
    bites = 0
    while True:
        reply = store.run(promote(keys, RULES))
        bites += 1
        assert reply.expired <= PROMOTE_BITE / 2
        if reply.next_due_us is None:
            break
        # Who keeps the timer fires again at once.
        assert reply.next_due_us <= reply.now_us
    assert (bites, store.run(stats(keys)).cancelled_count) == (10, 1000)


@pytest.mark.parametrize("value", ["never", "nan", "inf", "", "9" * 40])
def test_expiry_that_is_no_time_is_none(store: BlockingConnection, keys: QueueKeys, slot: Slot, value: str) -> None:
    _submit(store, keys, "x")
    store.command("HSET", keys.activity("x"), "exp", value)
    assert store.run(promote(keys, RULES)).expired == 0
    assert slot.claim() == ["x"]
    slot.cycle()
    assert slot.claim() == ["x"]
    assert slot.settle("x", Ending.COMPLETED) == "ok"


def test_foreign_entries_of_the_index_go_without_a_trace(store: BlockingConnection, keys: QueueKeys) -> None:
    store.command("SET", keys.activity("s"), "nonsense")
    store.command("ZADD", keys.single("expiries"), 1, "s", 2, "ghost", "-inf", b"\xff\x00", 3, "")
    reply = store.run(promote(keys, RULES))
    assert (reply.expired, reply.next_due_us) == (0, None)
    assert store.command("EXISTS", keys.activity("ghost"), keys.activity("")) == 0


def test_foreign_value_instead_of_the_index_harms_nobody(
    store: BlockingConnection, keys: QueueKeys, slot: Slot
) -> None:
    store.command("SET", keys.single("expiries"), "nonsense")
    _submit(store, keys, "x", "y", "z")
    _submit(store, keys, "good", expires_us=_now_us(store) + HOUR_US)
    assert store.run(promote(keys, RULES)).expired == 0
    assert store.run(watch(keys, ["y"]))[0].status is ActivityStatus.CANCELLED
    assert store.run(cancel(keys, RULES, "z")).outcome is CancelOutcome.CANCELLED
    assert slot.claim() == ["good"]
    slot.cycle()
    assert slot.claim() == ["good"]
    record = store.run(show(keys, "x"))
    assert record is not None
    assert record.status is ActivityStatus.CANCELLED
