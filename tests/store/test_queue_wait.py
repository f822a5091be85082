"""A claim tells how long its activity has been ready, whatever its priority and however it came to be ready."""

from __future__ import annotations

import time

import pytest

from rrqmp.model.ids import new_activity_id
from rrqmp.store.calls.cycle import Claim, SlotIdent, cycle
from rrqmp.store.calls.enqueue import Submission, enqueue
from rrqmp.store.calls.heartbeat import heartbeat
from rrqmp.store.calls.promote import promote
from rrqmp.store.connection import BlockingConnection
from rrqmp.store.keys import QueueKeys
from rrqmp.store.rules import StoreRules
from tests.processes.harness import eventually

IDENT = SlotIdent("host-a@0123456789abcdef", 0, 1)
MOMENT_US = 20_000


def claim(store: BlockingConnection, keys: QueueKeys, rules: StoreRules, seq: int, want: int = 10) -> list[Claim]:
    store.run(heartbeat(keys, rules, IDENT.node, joining=seq == 1, slots=(0,)))
    return store.run(cycle(keys, rules, IDENT, seq=seq, want=want, types=("t",))).claims


def pass_time(microseconds: float) -> None:
    until = time.monotonic() + microseconds / 1e6
    eventually(lambda: time.monotonic() >= until)


@pytest.mark.once
@pytest.mark.parametrize("aging", [3600.0, None])
def test_wait_is_counted_from_becoming_ready(store: BlockingConnection, keys: QueueKeys, aging: float | None) -> None:
    rules = StoreRules(priority_aging=aging)
    items = [Submission(new_activity_id(), "t", b"{}\n1", priority) for priority in range(4)]
    began = time.monotonic()
    store.run(enqueue(keys, rules, items))
    pass_time(MOMENT_US)
    claims = claim(store, keys, rules, 1)
    most = (time.monotonic() - began) * 1e6
    assert len(claims) == 4
    assert all(MOMENT_US - 1000 <= one.waited_us <= most for one in claims), claims
    # A repeat of the call is answered later, and tells of a longer wait.
    again = claim(store, keys, rules, 1)
    assert [one.waited_us >= first.waited_us for one, first in zip(again, claims, strict=True)] == [True] * 4


@pytest.mark.once
def test_delay_is_no_wait(store: BlockingConnection, keys: QueueKeys) -> None:
    rules = StoreRules()
    store.run(enqueue(keys, rules, [Submission(new_activity_id(), "t", b"{}\n1", 2, delay_us=300_000)]))
    pass_time(300_000)
    store.run(promote(keys, rules))
    [one] = claim(store, keys, rules, 1)
    assert 0 <= one.waited_us < 250_000


@pytest.mark.once
def test_foreign_time_is_no_wait_that_breaks_a_reader(store: BlockingConnection, keys: QueueKeys) -> None:
    rules = StoreRules()
    item = Submission(new_activity_id(), "t", b"{}\n1")
    store.run(enqueue(keys, rules, [item]))
    store.command("ZADD", keys.ready("t"), "-1e300", item.activity_id)
    [one] = claim(store, keys, rules, 1)
    assert one.waited_us >= 0
