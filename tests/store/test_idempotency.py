"""Idempotency keys: decided in the same step as the acceptance, held until the owner has ended and a while longer."""

from __future__ import annotations

import threading

import pytest

from rrqmp.model.attempt import Ending
from rrqmp.store.calls.cycle import Settlement, SlotIdent, cycle
from rrqmp.store.calls.dead_letters import revive
from rrqmp.store.calls.enqueue import Acceptance, DuplicateRule, EnqueueVerdict, Submission, enqueue
from rrqmp.store.calls.heartbeat import heartbeat
from rrqmp.store.calls.stats import stats
from rrqmp.store.connection import BlockingConnection
from rrqmp.store.embedded import EmbeddedServer
from rrqmp.store.keys import QueueKeys
from rrqmp.store.rules import StoreRules

RULES = StoreRules()
IDENT = SlotIdent("n@1", 0, 1)
SPEC = b'{"key":"order-1"}\n1'


def _submit(
    store: BlockingConnection, keys: QueueKeys, activity_id: str, rule: DuplicateRule, *, spec: bytes = SPEC
) -> EnqueueVerdict:
    item = Submission(activity_id, "t", spec, key="order-1", on_duplicate=rule)
    return store.run(enqueue(keys, RULES, [item]))[0]


def _end(store: BlockingConnection, keys: QueueKeys, activity_id: str, ending: Ending) -> None:
    store.run(heartbeat(keys, RULES, IDENT.node, joining=True, slots=[0]))
    seq = int(store.command("INCR", keys.root + "test-seq")) * 2
    (claim,) = store.run(cycle(keys, RULES, IDENT, seq=seq, want=1, types=["t"])).claims
    assert claim.activity_id == activity_id
    done = [Settlement(activity_id, IDENT.token(seq), ending, b'{"kind":"failed"}')]
    store.run(cycle(keys, RULES, IDENT, seq=seq + 1, want=0, settlements=done))


@pytest.mark.parametrize(
    ("rule", "verdict"),
    [
        (DuplicateRule.ALLOW_REUSE, EnqueueVerdict(Acceptance.CREATED, "b")),
        (DuplicateRule.RETURN_EXISTING, EnqueueVerdict(Acceptance.EXISTING, "a")),
        (DuplicateRule.ALLOW_REUSE_ON_FAILURE, EnqueueVerdict(Acceptance.IN_USE, "a")),
        (DuplicateRule.NO_REUSE, EnqueueVerdict(Acceptance.REFUSED, "a")),
    ],
)
def test_held_key_is_answered_by_the_rule(
    store: BlockingConnection, keys: QueueKeys, rule: DuplicateRule, verdict: EnqueueVerdict
) -> None:
    _submit(store, keys, "a", rule)
    assert _submit(store, keys, "b", rule) == verdict
    # The same id sent again is the same submission, whatever the rule says.
    assert _submit(store, keys, "a", rule).kind is Acceptance.EXISTS


@pytest.mark.parametrize("rule", [DuplicateRule.RETURN_EXISTING, DuplicateRule.NO_REUSE])
def test_racing_clients_create_one_activity(
    server: EmbeddedServer, store: BlockingConnection, keys: QueueKeys, rule: DuplicateRule
) -> None:
    verdicts: list[EnqueueVerdict] = []
    start = threading.Barrier(8)

    def submit(number: int) -> None:
        with BlockingConnection(server.url) as own:
            start.wait(10)
            verdicts.append(_submit(own, keys, f"x{number}", rule))

    threads = [threading.Thread(target=submit, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    created = [verdict for verdict in verdicts if verdict.kind is Acceptance.CREATED]
    assert len(created) == 1
    assert {verdict.activity_id for verdict in verdicts} == {created[0].activity_id}
    assert store.run(stats(keys)).pending_count == 1


def test_one_call_decides_a_key_between_its_own_items(store: BlockingConnection, keys: QueueKeys) -> None:
    items = [Submission(i, "t", SPEC, key="k", on_duplicate=DuplicateRule.RETURN_EXISTING) for i in ("a", "b")]
    verdicts = store.run(enqueue(keys, RULES, items))
    assert verdicts == [EnqueueVerdict(Acceptance.CREATED, "a"), EnqueueVerdict(Acceptance.EXISTING, "a")]


def test_failed_owner_gives_way_where_reuse_on_failure_is_allowed(store: BlockingConnection, keys: QueueKeys) -> None:
    _submit(store, keys, "a", DuplicateRule.ALLOW_REUSE_ON_FAILURE)
    _end(store, keys, "a", Ending.DEAD)
    verdict = _submit(store, keys, "b", DuplicateRule.ALLOW_REUSE_ON_FAILURE)
    assert verdict == EnqueueVerdict(Acceptance.CREATED, "b")
    assert store.command("GET", keys.idempotency("t", "order-1")) == b"b"


def test_completed_owner_holds_its_key_for_the_time_to_live(store: BlockingConnection, keys: QueueKeys) -> None:
    _submit(store, keys, "a", DuplicateRule.NO_REUSE)
    key = keys.idempotency("t", "order-1")
    assert store.command("TTL", key) == -1
    _end(store, keys, "a", Ending.COMPLETED)
    assert 86_390 <= store.command("TTL", key) <= 86_400
    assert _submit(store, keys, "b", DuplicateRule.NO_REUSE).kind is Acceptance.REFUSED


def test_submission_sets_its_own_time_to_live(store: BlockingConnection, keys: QueueKeys) -> None:
    _submit(store, keys, "a", DuplicateRule.NO_REUSE, spec=b'{"key":"order-1","key_ttl":120.5}\n1')
    _end(store, keys, "a", Ending.COMPLETED)
    assert 110 <= store.command("TTL", keys.idempotency("t", "order-1")) <= 121


def test_revived_owner_holds_its_key_without_an_end(store: BlockingConnection, keys: QueueKeys) -> None:
    _submit(store, keys, "a", DuplicateRule.NO_REUSE)
    _end(store, keys, "a", Ending.DEAD)
    store.run(revive(keys, RULES, ["a"]))
    assert store.command("TTL", keys.idempotency("t", "order-1")) == -1


def test_owner_without_a_record_counts_as_absent(store: BlockingConnection, keys: QueueKeys) -> None:
    store.command("SET", keys.idempotency("t", "order-1"), "ghost")
    assert _submit(store, keys, "a", DuplicateRule.NO_REUSE).kind is Acceptance.CREATED


def test_type_and_key_are_never_mixed_up(store: BlockingConnection, keys: QueueKeys) -> None:
    items = [
        Submission("x", "a:b", b"{}\n1", key="c", on_duplicate=DuplicateRule.NO_REUSE),
        Submission("y", "a", b"{}\n1", key="b:c", on_duplicate=DuplicateRule.NO_REUSE),
    ]
    assert {verdict.kind for verdict in store.run(enqueue(keys, RULES, items))} == {Acceptance.CREATED}
