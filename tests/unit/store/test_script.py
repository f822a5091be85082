"""Putting scripts together, and reading replies, without a server."""

from __future__ import annotations

import pytest

from rrqmp.model.attempt import AttemptKind
from rrqmp.model.status import ActivityStatus
from rrqmp.store.calls.cancel import CancelOrder, read_cancel_message, read_cancel_order
from rrqmp.store.calls.cycle import CycleStatus, SlotIdent, Verdict, cycle
from rrqmp.store.calls.enqueue import Acceptance, Submission, enqueue
from rrqmp.store.calls.show import show
from rrqmp.store.calls.stats import stats
from rrqmp.store.calls.watch import read_done_notice
from rrqmp.store.keys import QueueKeys
from rrqmp.store.rules import StoreRules
from rrqmp.store.script import assemble, load_script

KEYS = QueueKeys("q")
RULES = StoreRules()


def test_fragments_come_first_comments_go_and_keys_are_filled_in() -> None:
    body = "-- What it does.\n-- USES one two\nreturn '@ready@'\n"
    source = assemble(body, lambda name: f"-- {name}\nlocal {name.rpartition('/')[2]} = 1\n")
    assert source.split() == ["local", "one", "=", "1", "local", "two", "=", "1", "return", "'ready:'"]


def test_unknown_key_name_stops_the_loading() -> None:
    with pytest.raises(KeyError):
        assemble("return '@nothing@'", lambda name: "")


def test_same_script_is_put_together_once() -> None:
    assert load_script("stats") is load_script("stats")


def test_cycle_reply_is_read_into_names() -> None:
    call = cycle(KEYS, RULES, SlotIdent("n@1", 0, 1), seq=1, want=1, types=["t"])
    reply = call.read([b"ok", 5, [b"ok", b"again", b"stale"], [[b"x", b"t", b"{}\n1", 1, 0, 2, 70]], None])
    assert (reply.status, reply.now_us, reply.next_due_us) == (CycleStatus.OK, 5, None)
    assert reply.verdicts == [Verdict.OK, Verdict.AGAIN, Verdict.STALE]
    assert (reply.claims[0].activity_id, reply.claims[0].losses, reply.claims[0].waited_us) == ("x", 2, 70)
    assert call.endless


def test_enqueue_reply_gives_the_id_to_go_on_with() -> None:
    call = enqueue(KEYS, RULES, [Submission("x", "t", b""), Submission("y", "t", b"")])
    verdicts = call.read([b"created", b"existing z"])
    assert [(verdict.kind, verdict.activity_id) for verdict in verdicts] == [
        (Acceptance.CREATED, "x"),
        (Acceptance.EXISTING, "z"),
    ]
    assert not call.endless


def test_record_reply_with_foreign_bytes_is_read_all_the_same() -> None:
    stored = [b"st", b"?", b"hist", b"junk\n", b"out", b"\xff", b"end", b"never"]
    record = show(KEYS, "x").read([stored, None, 0, 0, []])
    assert record is not None
    assert record.status is ActivityStatus.DEAD_LETTER
    assert [attempt.kind for attempt in record.attempts] == [AttemptKind.CORRUPT, AttemptKind.CORRUPT]
    assert show(KEYS, "x").read(None) is None


def test_stats_bear_types_with_odd_names() -> None:
    found = stats(KEYS).read([[b"a:b\x1f2", b"3", b"\x1fcompleted", b"4"], [b"a:b", b"1"], 5, 6])
    assert (found.pending_count, found.completed_count, found.running_count) == (3, 4, 1)
    assert found.by_type == {"a:b": 3}


def test_done_notice_is_read_and_a_large_one_has_no_outcome() -> None:
    assert read_done_notice(b'x completed {"a":1}\n"b c"').out == b'{"a":1}\n"b c"'
    assert read_done_notice(b"x cancelled ").out is None
    with pytest.raises(ValueError, match="unpack"):
        read_done_notice(b"nonsense")


def test_cancel_order_is_read_with_and_without_grace() -> None:
    token = "two words@0123/3.1.5"
    assert read_cancel_message(b"x " + token.encode()) == ("x", CancelOrder(token))
    assert read_cancel_message(b"x " + token.encode() + b" 250") == ("x", CancelOrder(token, 250))
    assert read_cancel_order(b"") == CancelOrder("")
    assert read_cancel_order(b"\xff 1").grace_ms == 1


def test_only_submissions_with_extras_send_them() -> None:
    plain, child = Submission("x", "t", b""), Submission("y", "t", b"", expires_us=7, parent="p")
    assert len(enqueue(KEYS, RULES, [plain, plain]).arguments) == 3 + 16
    assert list(enqueue(KEYS, RULES, [plain, child], max_pending=9).arguments)[-3:] == [2, 7, "p"]
