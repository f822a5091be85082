"""What one call may cost: time on the server, memory for what waits, and no more of either with a longer queue."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from rrqmp.model.attempt import Ending
from rrqmp.store.calls.cycle import MAX_CLAIMS, Settlement, SlotIdent, cycle
from rrqmp.store.calls.dead_letters import REVIVE_BITE, revive, trim
from rrqmp.store.calls.ends import ReclaimCause, reclaim
from rrqmp.store.calls.enqueue import MAX_ITEMS, Submission, enqueue
from rrqmp.store.calls.heartbeat import heartbeat
from rrqmp.store.calls.promote import PROMOTE_BITE, promote
from rrqmp.store.connection import BlockingConnection
from rrqmp.store.keys import QueueKeys
from rrqmp.store.rules import StoreRules
from tests.servers import debian_binary, debian_server, embedded_server

RULES = StoreRules(lease=600.0)
SPEC = b'{"reply":"0198f3c2a1b2"}\n' + b'{"path":"' + b"x" * 150 + b'"}'
SLOW_US = 5000


@pytest.fixture(params=["valkey", "redis"])
def own(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[BlockingConnection]:
    """A server of this test's own, of either kind, with its slow log at 5 ms."""
    if request.param == "redis" and debian_binary() is None:
        pytest.skip("this system has no redis-server")
    start = embedded_server if request.param == "valkey" else debian_server
    folder = tmp_path_factory.mktemp("s")
    with start(folder, **{"slowlog-log-slower-than": str(SLOW_US)}) as server, BlockingConnection(server.url) as store:
        yield store


def _fill(store: BlockingConnection, keys: QueueKeys, number: int, *, delay_us: int = 0) -> None:
    for start in range(0, number, MAX_ITEMS):
        ids = range(start, min(number, start + MAX_ITEMS))
        items = [Submission(f"0198f3c2-a1b2-7000-8000-{i:012d}", "thumbnail", SPEC, delay_us=delay_us) for i in ids]
        store.run(enqueue(keys, RULES, items))


def _slow_scripts(store: BlockingConnection) -> list[tuple[int, bytes]]:
    return [(entry[2], entry[3][1]) for entry in store.command("SLOWLOG", "GET", 100) if entry[3][0] == b"EVALSHA"]


@pytest.mark.alone
def test_no_bite_is_slow(own: BlockingConnection, queue_name: str) -> None:
    # A machine that pauses makes calls slow now and then, a bite that is too large makes them slow in every round.
    for attempt in range(5):
        own.command("SLOWLOG", "RESET")
        _bite(own, QueueKeys(f"{queue_name}-{attempt}"))
        slow = _slow_scripts(own)
        if not slow:
            return
    raise AssertionError(f"slow in every round, the last time: {slow}")


def _bite(own: BlockingConnection, keys: QueueKeys) -> None:
    """Every script that takes a bite, with full ones."""
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


@pytest.mark.alone
def test_claims_do_not_slow_down_with_the_backlog(own: BlockingConnection, queue_name: str) -> None:
    short, long = QueueKeys(f"{queue_name}-short"), QueueKeys(f"{queue_name}-long")
    _fill(own, short, 1_000)
    _fill(own, long, 100_000)
    rates = {keys.queue: 0.0 for keys in (short, long)}
    seqs = {keys.queue: 0 for keys in (short, long)}
    # Turn and turn about, best of each: the machine's moods hit both.
    for _ in range(6):
        for keys in (short, long):
            rate, seqs[keys.queue] = _claim_rate(own, keys, seqs[keys.queue])
            rates[keys.queue] = max(rates[keys.queue], rate)
    assert rates[long.queue] / rates[short.queue] >= 0.8


def _claim_rate(store: BlockingConnection, keys: QueueKeys, seq: int) -> tuple[float, int]:
    ident = SlotIdent("n@1", 0, 1)
    store.run(heartbeat(keys, RULES, ident.node, joining=True, slots=[0]))
    began = time.perf_counter()
    for _ in range(150):
        seq += 1
        # What is claimed and not named goes back with the next call, so the queue keeps its length.
        store.run(cycle(keys, RULES, ident, seq=seq, want=1, types=["thumbnail"]))
    return 150 / (time.perf_counter() - began), seq
