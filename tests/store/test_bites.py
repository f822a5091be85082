"""What one call may cost: time on the server, memory for what waits, and no more of either with a longer queue."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, TypeVar

import pytest

from rrqmp.model.attempt import Ending
from rrqmp.model.status import ActivityStatus
from rrqmp.store.calls.cancel import CANCEL_BITE, cancel_children
from rrqmp.store.calls.cycle import MAX_CLAIMS, Settlement, SlotIdent, cycle
from rrqmp.store.calls.dead_letters import REVIVE_BITE, discard, revive, trim
from rrqmp.store.calls.ends import ReclaimCause, reclaim
from rrqmp.store.calls.enqueue import MAX_ITEMS, Submission, enqueue
from rrqmp.store.calls.heartbeat import heartbeat
from rrqmp.store.calls.promote import PROMOTE_BITE, promote
from rrqmp.store.calls.watch import WATCH_BITE, watch
from rrqmp.store.connection import BlockingConnection
from rrqmp.store.keys import QueueKeys
from rrqmp.store.rules import StoreRules
from rrqmp.store.script import Call
from tests.servers import debian_binary, debian_server, embedded_server

# The scripts are the same whatever interpreter sends them.
pytestmark = pytest.mark.once

RULES = StoreRules(lease=600.0)
SPEC = b'{"reply":"0198f3c2a1b2"}\n' + b'{"path":"' + b"x" * 150 + b'"}'
# A bite that takes longer keeps every other client waiting.
MOST_MILLISECONDS = 5.0
_IDENT = SlotIdent("n@1", 0, 1)
_ROUNDS = 100
R = TypeVar("R")


def _cpu_milliseconds(store: BlockingConnection) -> float:
    """The time that the server itself has worked: unlike a clock it does not count when others have the processor."""
    lines = store.command("INFO", "cpu").decode().splitlines()
    told = dict(line.split(":") for line in lines if ":" in line)
    return 1000 * (float(told["used_cpu_user_main_thread"]) + float(told["used_cpu_sys_main_thread"]))


class Meter:
    """Runs calls and keeps what the dearest of each script cost the server."""

    def __init__(self, store: BlockingConnection) -> None:
        self._store = store
        self.dearest: dict[str, float] = {}

    def run(self, call: Call[R]) -> R:
        before = _cpu_milliseconds(self._store)
        reply = self._store.run(call)
        cost = _cpu_milliseconds(self._store) - before
        self.dearest[call.script.name] = max(cost, self.dearest.get(call.script.name, 0.0))
        return reply


@pytest.fixture(params=["valkey", "redis"])
def own(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[BlockingConnection]:
    """A server of this test's own, of either kind."""
    if request.param == "redis" and debian_binary() is None:
        pytest.skip("this system has no redis-server")
    start = embedded_server if request.param == "valkey" else debian_server
    folder = tmp_path_factory.mktemp("s")
    with start(folder) as server, BlockingConnection(server.url) as store:
        yield store


def _fill(store: BlockingConnection | Meter, keys: QueueKeys, number: int, *, prefix: str = "0", **more: Any) -> None:
    ids = _ids(prefix, number)
    for start in range(0, number, MAX_ITEMS):
        items = [Submission(one, "thumbnail", SPEC, **more) for one in ids[start : start + MAX_ITEMS]]
        store.run(enqueue(keys, RULES, items))


def test_no_bite_keeps_the_server_busy_for_long(own: BlockingConnection, keys: QueueKeys) -> None:
    meter = Meter(own)
    _take_full_bites(meter, keys)
    _take_bites_of_what_never_starts(meter, QueueKeys(keys.queue, "other"))
    assert len(meter.dearest) == 10
    assert max(meter.dearest.values()) < MOST_MILLISECONDS, meter.dearest


def _take_full_bites(own: Meter, keys: QueueKeys) -> None:
    ident = SlotIdent("n@1", 0, 1)
    own.run(heartbeat(keys, RULES, ident.node, joining=True, slots=[0]))
    _fill(own, keys, 2000, delay_us=1)
    while own.run(promote(keys, RULES)).promoted == PROMOTE_BITE:
        pass
    settlements: list[Settlement] = []
    dead: list[str] = []
    for seq in range(1, 41):
        call = cycle(keys, RULES, ident, seq=seq, want=MAX_CLAIMS, types=["thumbnail"], settlements=settlements)
        claims = own.run(call).claims
        settlements = [Settlement(c.activity_id, ident.token(seq), Ending.DEAD, b'{"kind":"failed"}') for c in claims]
        dead += [claim.activity_id for claim in claims]
    own.run(cycle(keys, RULES, ident, seq=41, want=0, settlements=settlements))
    for start in range(0, len(dead), REVIVE_BITE):
        assert own.run(revive(keys, RULES, dead[start : start + REVIVE_BITE])) == REVIVE_BITE
    own.run(cycle(keys, RULES, ident, seq=42, want=MAX_CLAIMS, types=["thumbnail"]))
    while own.run(reclaim(keys, RULES, ident.node, ReclaimCause.RESTART)).left:
        pass
    own.run(trim(keys))


def _take_bites_of_what_never_starts(own: Meter, keys: QueueKeys) -> None:
    """As many as one call takes expire, are cancelled with their parent, or are thrown away when dead."""
    _fill(own, keys, PROMOTE_BITE // 2, prefix="1", expires_us=1)
    assert own.run(promote(keys, RULES)).expired == PROMOTE_BITE // 2
    _fill(own, keys, WATCH_BITE, prefix="2", expires_us=1)
    assert own.run(watch(keys, _ids("2", WATCH_BITE)))[0].status is ActivityStatus.CANCELLED
    _fill(own, keys, CANCEL_BITE, prefix="3", parent="p")
    assert len(own.run(cancel_children(keys, RULES, "p")).cancelled) == CANCEL_BITE
    ident = SlotIdent("n@2", 0, 1)
    own.run(heartbeat(keys, RULES, ident.node, joining=True, slots=[0]))
    _fill(own, keys, MAX_CLAIMS, prefix="4")
    claims = own.run(cycle(keys, RULES, ident, seq=1, want=MAX_CLAIMS, types=["thumbnail"])).claims
    dead = [Settlement(c.activity_id, ident.token(1), Ending.DEAD, b'{"kind":"failed"}') for c in claims]
    own.run(cycle(keys, RULES, ident, seq=2, want=0, settlements=dead))
    assert own.run(discard(keys, [c.activity_id for c in claims])) == MAX_CLAIMS


def _ids(prefix: str, number: int) -> list[str]:
    return [f"0198f3c2-a1b2-7000-8000-{prefix}{i:011d}" for i in range(number)]


def test_waiting_activity_takes_at_most_a_kibibyte(own: BlockingConnection, keys: QueueKeys) -> None:
    own.run(enqueue(keys, RULES, [Submission("warm", "thumbnail", SPEC)]))
    before = _used_memory(own)
    _fill(own, keys, 10_000)
    assert (_used_memory(own) - before) / 10_000 <= 1024


def _used_memory(store: BlockingConnection) -> int:
    for line in store.command("INFO", "memory").decode().splitlines():
        if line.startswith("used_memory:"):
            return int(line.partition(":")[2])
    raise AssertionError("INFO memory has no used_memory")


def test_claims_do_not_cost_more_with_the_backlog(own: BlockingConnection, queue_name: str) -> None:
    short, long = QueueKeys(f"{queue_name}-short"), QueueKeys(f"{queue_name}-long")
    _fill(own, short, 1_000)
    _fill(own, long, 100_000)
    own.run(heartbeat(short, RULES, _IDENT.node, joining=True, slots=[0]))
    own.run(heartbeat(long, RULES, _IDENT.node, joining=True, slots=[0]))
    least = {short.queue: math.inf, long.queue: math.inf}
    # In turns, and the least of many: what else the machine does slows both, and slows some rounds of neither.
    for first in range(1, _ROUNDS * 100, 100):
        for keys in (short, long):
            least[keys.queue] = min(least[keys.queue], _claim_milliseconds(own, keys, first))
        if first > _ROUNDS * 10 and least[short.queue] / least[long.queue] >= 0.8:
            break
    assert least[short.queue] / least[long.queue] >= 0.8, least


def _claim_milliseconds(store: BlockingConnection, keys: QueueKeys, first: int) -> float:
    """What a hundred claims cost the server."""
    before = _cpu_milliseconds(store)
    for seq in range(first, first + 100):
        # What is claimed and not named goes back with the next call, so the queue keeps its length.
        store.run(cycle(keys, RULES, _IDENT, seq=seq, want=1, types=["thumbnail"]))
    return _cpu_milliseconds(store) - before
