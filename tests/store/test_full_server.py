"""A server that is full under `noeviction`: endings pass, new work is refused, and draining makes room again."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from rrqmp.errors import QueueFull
from rrqmp.model.attempt import Ending
from rrqmp.model.gates import QueueGates
from rrqmp.model.status import ActivityStatus
from rrqmp.store.calls.attempt_notes import publish_progress, save_checkpoint
from rrqmp.store.calls.cancel import CancelOutcome, ChildrenReply, cancel, cancel_children
from rrqmp.store.calls.cycle import Claim, CycleReply, Settlement, SlotIdent, Verdict, cycle
from rrqmp.store.calls.dead_letters import discard
from rrqmp.store.calls.ends import release
from rrqmp.store.calls.enqueue import Acceptance, Submission, enqueue
from rrqmp.store.calls.gates import gates, limit, pause, resume
from rrqmp.store.calls.heartbeat import heartbeat, wake
from rrqmp.store.calls.promote import promote
from rrqmp.store.calls.stats import stats
from rrqmp.store.calls.watch import watch
from rrqmp.store.connection import BlockingConnection
from rrqmp.store.keys import QueueKeys
from rrqmp.store.rules import StoreRules
from tests.servers import embedded_server

# The scripts are the same whatever interpreter sends them.
pytestmark = pytest.mark.once

RULES = StoreRules()
IDENT = SlotIdent("n@1", 0, 1)


@pytest.fixture
def full(tmp_path_factory: pytest.TempPathFactory, keys: QueueKeys) -> Iterator[BlockingConnection]:
    """A server with work waiting and some running, and no byte to spare."""
    with embedded_server(tmp_path_factory.mktemp("s")) as server, BlockingConnection(server.url) as store:
        store.run(heartbeat(keys, RULES, IDENT.node, joining=True, slots=[0]))
        for i in range(20):
            store.run(enqueue(keys, RULES, [_submission(i)]))
        store.run(cycle(keys, RULES, IDENT, seq=1, want=10, types=["t"]))
        store.run(cancel(keys, RULES, "x19"))
        store.run(release(keys, RULES, "n@1", 0, []))
        store.command("CONFIG", "SET", "maxmemory", "1")
        yield store


def _submission(number: int) -> Submission:
    return Submission(f"x{number}", "t", b'{"reply":"me"}\n' + b"1" * 2000)


def _settle(store: BlockingConnection, keys: QueueKeys, claims: list[Claim], seq: int, want: int) -> CycleReply:
    done = [
        Settlement(claim.activity_id, IDENT.token(seq - 1), Ending.COMPLETED, b'{"kind":"completed"}')
        for claim in claims
    ]
    return store.run(cycle(keys, RULES, IDENT, seq=seq, want=want, settlements=done, types=["t"]))


def test_new_work_is_refused_whole_and_says_why(full: BlockingConnection, keys: QueueKeys) -> None:
    with pytest.raises(QueueFull, match="out of memory"):
        full.run(enqueue(keys, RULES, [_submission(99)]))
    assert full.command("EXISTS", keys.activity("x99")) == 0
    assert full.run(stats(keys)).pending_count == 9


def test_operator_may_pause_limit_and_resume(full: BlockingConnection, keys: QueueKeys) -> None:
    full.run(pause(keys))
    full.run(limit(keys, "t", 3))
    assert full.run(gates(keys)) == QueueGates(is_paused=True, limits={"t": 3}, running={"t": 10})
    full.run(resume(keys))
    assert not full.run(gates(keys)).is_paused


def test_endings_pass_and_everything_drains(full: BlockingConnection, keys: QueueKeys) -> None:
    claims = [Claim(f"x{i}", "t", b"", 1, 0, 0) for i in range(10)]
    seq = 2
    while claims:
        reply = _settle(full, keys, claims, seq, want=3)
        assert set(reply.verdicts) == {Verdict.OK}
        claims = reply.claims
        seq += 1
    found = full.run(stats(keys))
    assert (found.completed_count, found.pending_count, found.running_count) == (19, 0, 0)


def test_release_cancel_and_heartbeat_pass(full: BlockingConnection, keys: QueueKeys) -> None:
    assert full.run(cancel(keys, RULES, "x15")).outcome is CancelOutcome.CANCELLED
    assert full.run(cancel(keys, RULES, "x0")).outcome is CancelOutcome.REQUESTED
    assert full.run(release(keys, RULES, "n@1", 0, [("x1", IDENT.token(1))])) == [Verdict.OK]
    assert not full.run(heartbeat(keys, RULES, IDENT.node, joining=False, slots=[0])).fenced
    full.command("DEL", keys.wake("t"))
    full.run(wake(keys, ["t"]))
    assert full.command("LLEN", keys.wake("t")) == 1


def test_what_expires_ends_and_makes_room(full: BlockingConnection, keys: QueueKeys) -> None:
    full.command("CONFIG", "SET", "maxmemory", "0")
    for name in ("x11", "x12", "x13"):
        full.command("HSET", keys.activity(name), "exp", 1)
    full.command("ZADD", keys.single("expiries"), 1, "x11")
    full.command("CONFIG", "SET", "maxmemory", "1")
    assert full.run(promote(keys, RULES)).expired == 1
    assert full.run(watch(keys, ["x12"]))[0].status is ActivityStatus.CANCELLED
    assert [claim.activity_id for claim in _settle(full, keys, [], 2, want=3).claims] == ["x10", "x14", "x15"]
    assert full.run(stats(keys)).cancelled_count == 4


def test_children_are_cancelled_and_dead_letters_discarded(full: BlockingConnection, keys: QueueKeys) -> None:
    full.command("CONFIG", "SET", "maxmemory", "0")
    full.command("ZADD", keys.children("p"), 1, "x1", 2, "x15")
    full.command("CONFIG", "SET", "maxmemory", "1")
    assert full.run(cancel_children(keys, RULES, "p", grace_ms=5)) == ChildrenReply(["x15"], ["x1"], None)
    dead = [Settlement("x2", IDENT.token(1), Ending.DEAD, b'{"kind":"failed"}')]
    full.run(cycle(keys, RULES, IDENT, seq=2, want=0, settlements=dead))
    assert full.run(discard(keys, ["x2"])) == 1


def test_checkpoint_is_refused_with_an_error_and_progress_without(full: BlockingConnection, keys: QueueKeys) -> None:
    with pytest.raises(QueueFull, match="out of memory"):
        full.run(save_checkpoint(keys, "x1", IDENT.token(1), b"1"))
    assert full.run(publish_progress(keys, [("x1", IDENT.token(1), b"1")])) == 0


def test_delayed_release_passes(full: BlockingConnection, keys: QueueKeys) -> None:
    given = [Settlement("x1", IDENT.token(1), Ending.RELEASE, b"", 60_000_000)]
    full.run(cycle(keys, RULES, IDENT, seq=2, want=0, settlements=given))
    assert full.run(stats(keys)).scheduled_count == 1


def test_work_is_accepted_again_when_there_is_room(full: BlockingConnection, keys: QueueKeys) -> None:
    full.command("CONFIG", "SET", "maxmemory", "0")
    (verdict,) = full.run(enqueue(keys, RULES, [_submission(99)]))
    assert verdict.kind is Acceptance.CREATED
