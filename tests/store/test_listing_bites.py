"""What reading the indexes costs the server: a bite, however long the index is."""

from __future__ import annotations

import pytest

from rrqmp.model.attempt import Attempt, AttemptKind, Ending, encode_outcome
from rrqmp.store.calls.cycle import MAX_CLAIMS, Settlement, SlotIdent, cycle
from rrqmp.store.calls.enqueue import MAX_ITEMS, Submission, enqueue
from rrqmp.store.calls.heartbeat import heartbeat
from rrqmp.store.calls.listing import Depth, Index, Place, list_index, list_running
from rrqmp.store.connection import BlockingConnection
from rrqmp.store.keys import QueueKeys
from rrqmp.store.rules import StoreRules
from tests.store.test_bites import MOST_MILLISECONDS, Meter, own

__all__ = ["own"]
pytestmark = pytest.mark.once

RULES = StoreRules()
REPORT = encode_outcome(Attempt(kind=AttemptKind.FAILED, message="x" * 2000, traceback="y" * 8000))
SPEC = b'{"timeout":20.0}\n{"path":"a.png"}'


def _fill(store: BlockingConnection, keys: QueueKeys, number: int, *, at_us: int = 0) -> None:
    for start in range(0, number, MAX_ITEMS):
        ids = range(start, start + MAX_ITEMS)
        items = [Submission(f"0198f3c2-a1b2-7000-800{int(at_us > 0)}-{i:012d}", "t", SPEC, at_us=at_us) for i in ids]
        store.run(enqueue(keys, RULES, items))


def _bury(store: BlockingConnection, keys: QueueKeys, ident: SlotIdent, rounds: int) -> None:
    settlements: list[Settlement] = []
    for seq in range(1, rounds + 2):
        call = cycle(keys, RULES, ident, seq=seq, want=MAX_CLAIMS, types=["t"], settlements=settlements)
        claims = store.run(call).claims
        settlements = [Settlement(c.activity_id, ident.token(seq), Ending.DEAD, REPORT) for c in claims]


def test_no_bite_of_a_list_keeps_the_server_busy_for_long(own: BlockingConnection, keys: QueueKeys) -> None:
    meter, ident = Meter(own), SlotIdent("n@1", 0, 1)
    own.run(heartbeat(keys, RULES, ident.node, joining=True, slots=range(64)))
    _fill(own, keys, 10_000)
    # A bulk of one due time: the place in it has to be found among all of them.
    _fill(own, keys, 10_000, at_us=4_000_000_000_000_000)
    _bury(own, keys, ident, 10)
    for slot in range(1, 64):
        own.run(cycle(keys, RULES, SlotIdent("n@1", slot, 1), seq=1, want=MAX_CLAIMS, types=["t"]))
    for index in Index:
        for depth in Depth:
            for descending in (False, True):
                first = meter.run(list_index(keys, index, activity_type="t", depth=depth, descending=descending))
                if first.entries:
                    after = Place(first.entries[-1].place.score, "0~")
                    call = list_index(keys, index, activity_type="t", depth=depth, descending=descending, after=after)
                    meter.run(call)
    assert meter.run(list_running(keys, "n@1"))[0] == 2
    assert max(meter.dearest.values()) < MOST_MILLISECONDS, meter.dearest


def test_reply_with_long_reports_stays_small_and_says_that_there_is_more(
    store: BlockingConnection, keys: QueueKeys
) -> None:
    ident = SlotIdent("n@1", 0, 1)
    store.run(heartbeat(keys, RULES, ident.node, joining=True, slots=[0]))
    _fill(store, keys, 200)
    _bury(store, keys, ident, 4)
    seen, after = 0, None
    while True:
        bite = store.run(list_index(keys, Index.DEAD, after=after, depth=Depth.ATTEMPTS))
        assert len(bite.entries) < 40
        seen += len(bite.entries)
        if not bite.more:
            break
        after = bite.entries[-1].place
    assert seen == 200
