"""Idempotency keys: decided in the same step as the acceptance, held until the owner has ended and a while longer."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from rrqmp.model.attempt import Ending
from rrqmp.store.calls.cancel import CancelOutcome, cancel
from rrqmp.store.calls.cycle import Settlement, SlotIdent, cycle
from rrqmp.store.calls.dead_letters import discard, revive
from rrqmp.store.calls.enqueue import Acceptance, DuplicateRule, EnqueueVerdict, Submission, enqueue
from rrqmp.store.calls.heartbeat import heartbeat
from rrqmp.store.calls.promote import promote
from rrqmp.store.calls.stats import stats
from rrqmp.store.connection import BlockingConnection
from rrqmp.store.embedded import EmbeddedServer
from rrqmp.store.keys import QueueKeys
from rrqmp.store.rules import StoreRules

# The scripts are the same whatever interpreter sends them.
pytestmark = pytest.mark.once

RULES = StoreRules()
IDENT = SlotIdent("n@1", 0, 1)
CLIENTS = 50
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


def _race(server: EmbeddedServer, send: Callable[[BlockingConnection, int], EnqueueVerdict]) -> list[EnqueueVerdict]:
    """What fifty clients are told that send at the same moment, each over a connection of its own."""
    verdicts: list[EnqueueVerdict] = []
    start = threading.Barrier(CLIENTS)

    def submit(number: int) -> None:
        with BlockingConnection(server.url) as own:
            own.command("PING")
            start.wait(10)
            verdicts.append(send(own, number))

    threads = [threading.Thread(target=submit, args=(number,)) for number in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    return verdicts


@pytest.mark.parametrize("rule", [rule for rule in DuplicateRule if rule is not DuplicateRule.ALLOW_REUSE])
@pytest.mark.parametrize("dead_owner", [False, True])
def test_racing_clients_create_one_activity(
    server: EmbeddedServer, store: BlockingConnection, keys: QueueKeys, rule: DuplicateRule, dead_owner: bool
) -> None:
    if dead_owner:
        _submit(store, keys, "old", DuplicateRule.ALLOW_REUSE_ON_FAILURE)
        _end(store, keys, "old", Ending.DEAD)
    verdicts = _race(server, lambda own, number: _submit(own, keys, f"x{number}", rule))
    created = [verdict.activity_id for verdict in verdicts if verdict.kind is Acceptance.CREATED]
    expected = 0 if dead_owner and rule is not DuplicateRule.ALLOW_REUSE_ON_FAILURE else 1
    assert (len(verdicts), len(created)) == (CLIENTS, expected)
    assert {verdict.activity_id for verdict in verdicts} == set(created or ["old"])
    assert store.run(stats(keys)).pending_count == expected


def test_racing_clients_that_allow_reuse_get_one_each_and_the_key_one_owner(
    server: EmbeddedServer, store: BlockingConnection, keys: QueueKeys
) -> None:
    verdicts = _race(server, lambda own, number: _submit(own, keys, f"x{number}", DuplicateRule.ALLOW_REUSE))
    assert {verdict.kind for verdict in verdicts} == {Acceptance.CREATED}
    assert store.run(stats(keys)).pending_count == len({verdict.activity_id for verdict in verdicts}) == CLIENTS
    owner = store.command("GET", keys.idempotency("t", "order-1")).decode()
    assert _submit(store, keys, "late", DuplicateRule.RETURN_EXISTING) == EnqueueVerdict(Acceptance.EXISTING, owner)


@pytest.mark.parametrize("rule", list(DuplicateRule))
def test_submission_that_is_sent_from_fifty_places_is_one_activity(
    server: EmbeddedServer, store: BlockingConnection, keys: QueueKeys, rule: DuplicateRule
) -> None:
    verdicts = _race(server, lambda own, number: _submit(own, keys, "x", rule))
    assert sorted(verdict.kind for verdict in verdicts) == [Acceptance.CREATED] + [Acceptance.EXISTS] * (CLIENTS - 1)
    assert store.run(stats(keys)).pending_count == 1


def _expire(store: BlockingConnection, keys: QueueKeys) -> None:
    store.command("HSET", keys.activity("a"), "exp", 1)
    store.command("ZADD", keys.single("expiries"), 1, "a")
    assert store.run(promote(keys, RULES)).expired == 1


def _cancel(store: BlockingConnection, keys: QueueKeys) -> None:
    store.run(cancel(keys, RULES, "a"))


def _discard(store: BlockingConnection, keys: QueueKeys) -> None:
    _end(store, keys, "a", Ending.DEAD)
    assert store.run(discard(keys, ["a"])) == 1


def _vanish(store: BlockingConnection, keys: QueueKeys) -> None:
    store.command("DEL", keys.activity("a"))


@pytest.mark.parametrize("end", [_expire, _cancel, _discard, _vanish])
def test_owner_without_success_gives_way_where_reuse_on_failure_is_allowed(
    store: BlockingConnection, keys: QueueKeys, end: Callable[[BlockingConnection, QueueKeys], None]
) -> None:
    _submit(store, keys, "a", DuplicateRule.ALLOW_REUSE_ON_FAILURE)
    end(store, keys)
    verdict = _submit(store, keys, "b", DuplicateRule.ALLOW_REUSE_ON_FAILURE)
    assert verdict == EnqueueVerdict(Acceptance.CREATED, "b")
    # It holds without an end again.
    assert store.command("TTL", keys.idempotency("t", "order-1")) == -1
    assert _submit(store, keys, "c", DuplicateRule.ALLOW_REUSE_ON_FAILURE) == EnqueueVerdict(Acceptance.IN_USE, "b")


@pytest.mark.parametrize(("end", "kind"), [(_expire, Acceptance.REFUSED), (_discard, Acceptance.CREATED)])
def test_only_what_is_forgotten_frees_a_key_that_allows_no_reuse(
    store: BlockingConnection, keys: QueueKeys, end: Callable[[BlockingConnection, QueueKeys], None], kind: Acceptance
) -> None:
    _submit(store, keys, "a", DuplicateRule.NO_REUSE)
    end(store, keys)
    assert _submit(store, keys, "b", DuplicateRule.NO_REUSE).kind is kind


def test_former_owner_has_no_say_over_the_key(store: BlockingConnection, keys: QueueKeys) -> None:
    _submit(store, keys, "a", DuplicateRule.NO_REUSE)
    _end(store, keys, "a", Ending.DEAD)
    _submit(store, keys, "b", DuplicateRule.ALLOW_REUSE)
    store.run(revive(keys, RULES, ["a"]))
    assert store.run(cancel(keys, RULES, "a")).outcome is CancelOutcome.CANCELLED
    assert store.command("TTL", keys.idempotency("t", "order-1")) == -1
    assert _submit(store, keys, "c", DuplicateRule.RETURN_EXISTING).activity_id == "b"


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
