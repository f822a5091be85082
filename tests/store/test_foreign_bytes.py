"""What a stranger writes under our keys: quarantined as corrupt, shown without a crash, handed to no worker."""

from __future__ import annotations

import pytest

from rrqmp.errors import StoreError
from rrqmp.model.attempt import AttemptKind, Ending
from rrqmp.model.status import ActivityStatus
from rrqmp.store.calls.cycle import CycleReply, Settlement, SlotIdent, cycle
from rrqmp.store.calls.dead_letters import discard, revive
from rrqmp.store.calls.ends import ReclaimCause, reclaim
from rrqmp.store.calls.enqueue import Acceptance, Submission, enqueue
from rrqmp.store.calls.gates import limit, pause, resume
from rrqmp.store.calls.heartbeat import heartbeat
from rrqmp.store.calls.promote import promote
from rrqmp.store.calls.show import show
from rrqmp.store.calls.stats import stats
from rrqmp.store.calls.watch import watch
from rrqmp.store.connection import BlockingConnection
from rrqmp.store.keys import QueueKeys
from rrqmp.store.rules import StoreRules

# The scripts are the same whatever interpreter sends them.
pytestmark = pytest.mark.once

RULES = StoreRules()
IDENT = SlotIdent("n@1", 0, 1)
FAULTS: dict[str, list[tuple[str | bytes, ...]]] = {
    "record deleted": [("DEL",)],
    "record a string": [("DEL",), ("SET", b"\x00\xff{")],
    "record a list": [("DEL",), ("RPUSH", "a")],
    "no spec": [("HDEL", "spec")],
    "no type": [("HDEL", "ty")],
    "another type": [("HSET", "ty", "u")],
    "no state": [("HDEL", "st")],
    "unknown state": [("HSET", "st", "dancing")],
}


def _spoil(store: BlockingConnection, key: str, commands: list[tuple[str | bytes, ...]]) -> None:
    for verb, *rest in commands:
        store.command(verb, key, *rest)


def _claim(store: BlockingConnection, keys: QueueKeys, seq: int = 1, want: int = 5) -> CycleReply:
    store.run(heartbeat(keys, RULES, IDENT.node, joining=True, slots=[0]))
    return store.run(cycle(keys, RULES, IDENT, seq=seq, want=want, types=["t"]))


@pytest.mark.parametrize("fault", FAULTS)
def test_spoilt_record_is_quarantined_and_the_next_one_claimed(
    store: BlockingConnection, keys: QueueKeys, fault: str
) -> None:
    store.run(enqueue(keys, RULES, [Submission("bad", "t", b"{}\n1"), Submission("good", "t", b"{}\n1")]))
    _spoil(store, keys.activity("bad"), FAULTS[fault])
    assert [claim.activity_id for claim in _claim(store, keys).claims] == ["good"]
    record = store.run(show(keys, "bad"))
    assert record is not None
    assert (record.status, record.reason) == (ActivityStatus.DEAD_LETTER, "corrupt")
    assert record.attempts[-1].kind is AttemptKind.CORRUPT
    found = store.run(stats(keys))
    assert (found.pending_count, found.dead_letter_count) == (0, 1)


def test_corrupt_dead_letter_is_not_revived_but_can_be_discarded(store: BlockingConnection, keys: QueueKeys) -> None:
    store.run(enqueue(keys, RULES, [Submission("bad", "t", b"{}\n1")]))
    store.command("DEL", keys.activity("bad"))
    _claim(store, keys)
    assert store.run(revive(keys, RULES, ["bad"])) == 0
    assert store.run(discard(keys, ["bad"])) == 1
    assert store.run(show(keys, "bad")) is None


def test_bytes_of_a_foreign_string_are_kept_for_people_to_see(store: BlockingConnection, keys: QueueKeys) -> None:
    store.run(enqueue(keys, RULES, [Submission("bad", "t", b"{}\n1")]))
    store.command("DEL", keys.activity("bad"))
    store.command("SET", keys.activity("bad"), "hello")
    _claim(store, keys)
    record = store.run(show(keys, "bad"))
    assert record is not None
    assert b"hello" in record.payload


def test_only_so_many_spoilt_records_are_taken_in_one_call(store: BlockingConnection, keys: QueueKeys) -> None:
    ids = [f"x{i}" for i in range(40)]
    store.run(enqueue(keys, RULES, [Submission(i, "t", b"{}\n1") for i in ids]))
    store.command("DEL", *(keys.activity(i) for i in ids))
    _claim(store, keys)
    assert store.run(stats(keys)).dead_letter_count == 16


@pytest.mark.parametrize("name", ["", "two words", "a\nb", "x" * 37, "\u00e9", b"\xff\xfe", "{x}"])
def test_id_that_no_client_makes_is_quarantined_and_handed_to_no_worker(
    store: BlockingConnection, keys: QueueKeys, name: str | bytes
) -> None:
    store.run(enqueue(keys, RULES, [Submission("good", "t", b"{}\n1")]))
    record = ("spec", b"{}\n1", "ty", "t", "k", "2", "st", "pending")
    foreign = keys.activity("").encode() + (name if isinstance(name, bytes) else name.encode())
    store.command("HSET", foreign, *record)
    store.command("ZADD", keys.ready("t"), 1, name)
    assert [claim.activity_id for claim in _claim(store, keys).claims] == ["good"]
    assert store.command("HMGET", foreign, "st", "err") == [b"dead_letter", b"corrupt"]


@pytest.mark.parametrize("count", ["1e300", "inf", "nan", "-5", "many", "1" * 30])
def test_count_that_is_no_number_counts_as_none(store: BlockingConnection, keys: QueueKeys, count: str) -> None:
    store.run(enqueue(keys, RULES, [Submission("x", "t", b"{}\n1")]))
    _spoil(store, keys.activity("x"), [("HSET", "att", count, "crashes", count, "losses", count)])
    (claim,) = _claim(store, keys).claims
    assert (claim.attempt, claim.crashes, claim.losses) == (1, 0, 0)


@pytest.mark.parametrize("span", ["9.223372036e15", "1e300", "-1e300", "NaN"])
def test_absurd_time_to_live_of_a_key_does_not_break_the_ending_off(
    store: BlockingConnection, keys: QueueKeys, span: str
) -> None:
    store.run(enqueue(keys, RULES, [Submission("x", "t", b"{}\n1")]))
    _spoil(store, keys.activity("x"), [("HSET", "spec", f'{{"key":"k","key_ttl":{span}}}\n1')])
    store.command("SET", keys.idempotency("t", "k"), "x")
    _claim(store, keys)
    done = [Settlement("x", IDENT.token(1), Ending.COMPLETED, b'{"kind":"completed"}')]
    store.run(cycle(keys, RULES, IDENT, seq=2, want=0, settlements=done))
    found = store.run(stats(keys))
    assert (found.running_count, found.completed_count) == (0, 1)


def test_id_that_lies_in_a_ready_set_while_it_runs_is_only_taken_out(
    store: BlockingConnection, keys: QueueKeys
) -> None:
    store.run(enqueue(keys, RULES, [Submission("x", "t", b"{}\n1")]))
    _claim(store, keys)
    store.command("ZADD", keys.ready("t"), 1, "x")
    store.command("ZADD", keys.single("heads"), 1, "t")
    reply = store.run(cycle(keys, RULES, SlotIdent("n@1", 1, 1), seq=1, want=1, types=["t"]))
    assert reply.claims == []
    record = store.run(show(keys, "x"))
    assert record is not None
    assert record.status is ActivityStatus.RUNNING


def test_running_record_with_a_spoilt_place_and_count_still_ends(store: BlockingConnection, keys: QueueKeys) -> None:
    store.run(enqueue(keys, RULES, [Submission("x", "t", b"{}\n1")]))
    _claim(store, keys)
    _spoil(store, keys.activity("x"), [("HSET", "k", "?"), ("HSET", "att", "many"), ("HDEL", "spec")])
    retry = Settlement("x", IDENT.token(1), Ending.RETRY, b'{"kind":"failed"}', 1000)
    store.run(cycle(keys, RULES, IDENT, seq=2, want=0, settlements=[retry]))
    assert store.run(stats(keys)).running_count == 0


def test_foreign_member_of_the_schedule_goes_without_a_trace(store: BlockingConnection, keys: QueueKeys) -> None:
    store.command("ZADD", keys.single("scheduled"), 1, "nonsense", 2, "1t\x1fghost")
    assert store.run(promote(keys, RULES)).promoted == 2
    _claim(store, keys)
    record = store.run(show(keys, "ghost"))
    assert record is not None
    assert record.reason == "corrupt"
    assert store.command("ZCARD", keys.single("scheduled")) == 0


@pytest.mark.parametrize("name", ["paused", "limits", "active", "count", "ended", "dead", "expiries"])
def test_foreign_value_under_a_side_key_stops_no_worker(store: BlockingConnection, keys: QueueKeys, name: str) -> None:
    store.command("SET", keys.single(name), "nonsense")
    store.run(enqueue(keys, RULES, [Submission("x", "t", b"{}\n1"), Submission("y", "t", b"{}\n1")]))
    first = _claim(store, keys, want=1)
    done = [Settlement(first.claims[0].activity_id, IDENT.token(1), Ending.COMPLETED, b'{"kind":"completed"}')]
    second = store.run(cycle(keys, RULES, IDENT, seq=2, want=1, types=["t"], settlements=done))
    assert [claim.activity_id for claim in second.claims] == ["y"]


def test_foreign_value_under_a_main_key_changes_nothing_and_is_named(
    store: BlockingConnection, keys: QueueKeys
) -> None:
    store.command("SET", keys.ready("t"), "nonsense")
    with pytest.raises(StoreError, match="WRONGTYPE"):
        store.run(enqueue(keys, RULES, [Submission("x", "t", b"{}\n1")]))
    assert store.command("EXISTS", keys.activity("x")) == 0


def test_type_whose_ready_set_was_overwritten_does_not_stop_the_others(
    store: BlockingConnection, keys: QueueKeys
) -> None:
    store.run(enqueue(keys, RULES, [Submission("x", "t", b"{}\n1"), Submission("y", "u", b"{}\n1")]))
    store.command("SET", keys.ready("t"), "nonsense")
    store.run(heartbeat(keys, RULES, IDENT.node, joining=True, slots=[0]))
    reply = store.run(cycle(keys, RULES, IDENT, seq=1, want=1, types=["t", "u"]))
    assert [claim.activity_id for claim in reply.claims] == ["y"]


def test_id_of_a_foreign_record_is_never_overwritten(store: BlockingConnection, keys: QueueKeys) -> None:
    store.command("SET", keys.activity("x"), "nonsense")
    (verdict,) = store.run(enqueue(keys, RULES, [Submission("x", "t", b"{}\n1")]))
    assert verdict.kind is Acceptance.CONFLICT
    assert store.command("GET", keys.activity("x")) == b"nonsense"


def test_readers_survive_whatever_lies_there(store: BlockingConnection, keys: QueueKeys) -> None:
    store.command("SET", keys.activity("string"), "nonsense")
    store.command("HSET", keys.activity("hash"), "st", b"\xff", "spec", b"\xff", "hist", b"\xff\n", "k", "", "end", "?")
    for activity_id in ("string", "hash"):
        record = store.run(show(keys, activity_id))
        assert record is not None
        assert record.status is ActivityStatus.DEAD_LETTER
    assert store.run(watch(keys, ["string", "none"]))[0].status is None


def test_queue_of_another_layout_is_refused(store: BlockingConnection, keys: QueueKeys) -> None:
    store.command("HSET", keys.meta, "version", "99")
    with pytest.raises(StoreError, match="another version"):
        store.run(enqueue(keys, RULES, [Submission("x", "t", b"{}\n1")]))
    with pytest.raises(StoreError, match="another version"):
        store.run(heartbeat(keys, RULES, "n@1", joining=True, slots=[0]))


def test_foreign_name_among_the_nodes_is_told_once_and_forgotten(store: BlockingConnection, keys: QueueKeys) -> None:
    # The first beat of anybody moves all leases.
    store.run(heartbeat(keys, RULES, IDENT.node, joining=True, slots=[0]))
    store.command("ZADD", keys.single("nodes"), 1, b"\xff\xfe")
    first = store.run(heartbeat(keys, RULES, IDENT.node, joining=False, slots=[0]))
    for name in first.expired_nodes:
        store.run(reclaim(keys, RULES, name, ReclaimCause.LOSS))
    assert len(first.expired_nodes) == 1
    assert store.run(heartbeat(keys, RULES, IDENT.node, joining=False, slots=[0])).expired_nodes == []


def test_gates_bear_foreign_numbers(store: BlockingConnection, keys: QueueKeys) -> None:
    store.run(enqueue(keys, RULES, [Submission("x", "t", b"{}\n1")]))
    store.command("HSET", keys.single("limits"), "t", "few")
    store.run(pause(keys))
    store.run(resume(keys))
    assert len(_claim(store, keys).claims) == 1
    store.run(limit(keys, "t", None))
    assert store.command("HLEN", keys.single("limits")) == 0
