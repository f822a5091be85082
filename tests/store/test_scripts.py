"""What each script does when nothing fails: order, moves, endings, counts."""

from __future__ import annotations

import pytest

from rrqmp.model.attempt import AttemptKind, Ending
from rrqmp.model.priority import ActivityPriority
from rrqmp.model.status import ActivityStatus
from rrqmp.store.calls.cancel import CancelOrder, CancelOutcome, cancel
from rrqmp.store.calls.cycle import CycleReply, CycleStatus, Settlement, SlotIdent, Verdict, cycle
from rrqmp.store.calls.dead_letters import discard, revive, trim
from rrqmp.store.calls.ends import ReclaimCause, reclaim, release
from rrqmp.store.calls.enqueue import Submission, enqueue
from rrqmp.store.calls.gates import limit, pause, resume
from rrqmp.store.calls.heartbeat import heartbeat, wake
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
IDENT = SlotIdent("host-a@0123456789abcdef", 3, 1)


class Worker:
    """A worker process in a few words: `claim` and `settle` are cycles with the next number."""

    def __init__(self, store: BlockingConnection, keys: QueueKeys, ident: SlotIdent = IDENT, rules: StoreRules = RULES):
        self.store, self.keys, self.ident, self.rules, self.seq = store, keys, ident, rules, 0
        store.run(heartbeat(keys, rules, ident.node, joining=True, slots=range(10)))

    def claim(self, want: int = 1, types: tuple[str, ...] = ("t",)) -> list[str]:
        return [claim.activity_id for claim in self.cycle(want=want, types=types).claims]

    def settle(
        self, activity_id: str, ending: Ending, body: bytes = b'{"kind":"failed"}', delay_us: int = 0
    ) -> Verdict:
        done = Settlement(activity_id, self.ident.token(self.seq), ending, body, delay_us)
        return self.cycle(settlements=[done]).verdicts[0]

    def cycle(
        self, want: int = 0, types: tuple[str, ...] = ("t",), settlements: list[Settlement] | None = None
    ) -> CycleReply:
        self.seq += 1
        return self.store.run(
            cycle(
                self.keys, self.rules, self.ident, seq=self.seq, want=want, types=types, settlements=settlements or []
            )
        )


@pytest.fixture
def worker(store: BlockingConnection, keys: QueueKeys) -> Worker:
    return Worker(store, keys)


def _submit(
    store: BlockingConnection,
    keys: QueueKeys,
    *ids: str,
    type: str = "t",  # noqa: A002  # reads best in the tests
    priority: int = 1,
    delay_us: int = 0,
    at_us: int = 0,
) -> None:
    items = [Submission(i, type, b"{}\n1", priority, delay_us, at_us) for i in ids]
    store.run(enqueue(keys, RULES, items))


def _status(store: BlockingConnection, keys: QueueKeys, activity_id: str) -> ActivityStatus | None:
    record = store.run(show(keys, activity_id))
    return record.status if record else None


def test_first_in_is_first_out_inside_a_priority(store: BlockingConnection, keys: QueueKeys, worker: Worker) -> None:
    ids = [f"x{9 - i}" for i in range(9)]
    _submit(store, keys, *ids)
    assert worker.claim(9) == ids


def test_higher_priority_goes_first_and_age_makes_up_for_it(
    store: BlockingConnection, keys: QueueKeys, worker: Worker
) -> None:
    quick = StoreRules(priority_aging=0.001)
    _submit(store, keys, "low", priority=ActivityPriority.LOW)
    _submit(store, keys, "critical", priority=ActivityPriority.CRITICAL)
    assert worker.claim(2) == ["critical", "low"]
    store.run(enqueue(keys, quick, [Submission("old", "u", b"{}\n1", ActivityPriority.LOW)]))
    store.command("ZINCRBY", keys.ready("u"), -10_000, "old")
    store.run(enqueue(keys, quick, [Submission("new", "u", b"{}\n1", ActivityPriority.CRITICAL)]))
    assert worker.claim(2, ("u",)) == ["old", "new"]


def test_strict_priority_never_yields(store: BlockingConnection, keys: QueueKeys, worker: Worker) -> None:
    strict = StoreRules(priority_aging=None)
    for priority in (0, 3, 1, 2):
        store.run(enqueue(keys, strict, [Submission(f"p{priority}", "t", b"{}\n1", priority)]))
    assert worker.claim(4) == ["p3", "p2", "p1", "p0"]


def test_most_urgent_of_the_served_types_is_claimed(store: BlockingConnection, keys: QueueKeys, worker: Worker) -> None:
    _submit(store, keys, "a1", type="a")
    _submit(store, keys, "b1", type="b")
    _submit(store, keys, "c1", type="c", priority=3)
    _submit(store, keys, "a2", type="a")
    assert worker.claim(4, ("a", "b")) == ["a1", "b1", "a2"]
    assert _status(store, keys, "c1") is ActivityStatus.PENDING


def test_completed_activity_keeps_result_and_time_to_live(
    store: BlockingConnection, keys: QueueKeys, worker: Worker
) -> None:
    _submit(store, keys, "x")
    worker.claim()
    assert worker.settle("x", Ending.COMPLETED, b'{"kind":"completed","attempt":1}\n{"answer":42}') is Verdict.OK
    record = store.run(show(keys, "x"))
    assert record is not None
    assert (record.status, record.result, record.attempt) == (ActivityStatus.COMPLETED, b'{"answer":42}', 1)
    assert [attempt.kind for attempt in record.attempts] == [AttemptKind.COMPLETED]
    assert 86_390 <= store.command("TTL", keys.activity("x")) <= 86_400


def test_settlement_may_shorten_the_life_of_a_result_to_a_minute(
    store: BlockingConnection, keys: QueueKeys, worker: Worker
) -> None:
    _submit(store, keys, "x")
    worker.claim()
    done = Settlement("x", IDENT.token(worker.seq), Ending.COMPLETED, b'{"kind":"completed"}', 0, 1000)
    worker.cycle(settlements=[done])
    assert 50 <= store.command("TTL", keys.activity("x")) <= 60


def test_retry_waits_and_keeps_its_history(store: BlockingConnection, keys: QueueKeys, worker: Worker) -> None:
    _submit(store, keys, "x")
    worker.claim()
    worker.settle("x", Ending.RETRY, b'{"kind":"failed","attempt":1,"message":"no"}', delay_us=60_000_000)
    record = store.run(show(keys, "x"))
    assert record is not None
    assert record.status is ActivityStatus.RETRYING
    assert record.due_at is not None
    assert [attempt.message for attempt in record.attempts] == ["no"]
    assert worker.claim() == []


def test_history_is_bounded(store: BlockingConnection, keys: QueueKeys, worker: Worker) -> None:
    _submit(store, keys, "x")
    for number in range(30):
        store.run(promote(keys, RULES))
        assert worker.claim() == ["x"]
        worker.settle("x", Ending.RETRY, b'{"kind":"failed","attempt":%d}' % number)
    record = store.run(show(keys, "x"))
    assert record is not None
    assert [attempt.attempt for attempt in record.attempts] == list(range(10, 30))
    assert record.attempt == 30


def test_crashes_are_counted_apart_and_poison_the_third_time(
    store: BlockingConnection, keys: QueueKeys, worker: Worker
) -> None:
    _submit(store, keys, "x")
    worker.claim()
    worker.settle("x", Ending.CRASH, b'{"kind":"crashed"}', delay_us=60_000_000)
    # The first time it runs again at once.
    assert worker.claim() == ["x"]
    worker.settle("x", Ending.CRASH, b'{"kind":"crashed"}', delay_us=0)
    assert _status(store, keys, "x") is ActivityStatus.RETRYING
    store.run(promote(keys, RULES))
    worker.claim()
    worker.settle("x", Ending.CRASH, b'{"kind":"crashed"}')
    record = store.run(show(keys, "x"))
    assert record is not None
    assert (record.status, record.reason, record.crashes) == (ActivityStatus.DEAD_LETTER, "poisoned", 3)
    assert len(record.attempts) == 3


def test_what_crashed_before_is_claimed_alone(store: BlockingConnection, keys: QueueKeys, worker: Worker) -> None:
    _submit(store, keys, "a", "b", "c")
    worker.claim()
    worker.settle("a", Ending.CRASH)
    assert worker.claim(3) == ["a"]
    worker.settle("a", Ending.COMPLETED)
    assert worker.claim(3) == ["b", "c"]


def test_release_goes_back_to_the_head_uncounted(store: BlockingConnection, keys: QueueKeys, worker: Worker) -> None:
    _submit(store, keys, "a", "b")
    assert worker.claim() == ["a"]
    verdicts = store.run(release(keys, RULES, IDENT.node, IDENT.slot, [("a", IDENT.token(worker.seq)), ("z", "?")]))
    assert verdicts == [Verdict.OK, Verdict.STALE]
    record = store.run(show(keys, "a"))
    assert record is not None
    assert (record.status, record.attempt, record.attempts) == (ActivityStatus.PENDING, 0, ())
    assert worker.claim() == ["a"]


def test_unnamed_claims_go_back_with_the_next_cycle(store: BlockingConnection, keys: QueueKeys, worker: Worker) -> None:
    _submit(store, keys, "a", "b")
    assert worker.claim(2) == ["a", "b"]
    worker.cycle()
    assert store.run(stats(keys)).pending_count == 2


def test_lost_node_is_reclaimed_and_charged_to_losses_only(
    store: BlockingConnection, keys: QueueKeys, worker: Worker
) -> None:
    _submit(store, keys, "x")
    worker.claim()
    assert not store.run(reclaim(keys, RULES, IDENT.node, ReclaimCause.LOSS)).allowed
    reply = store.run(reclaim(keys, RULES, IDENT.node, ReclaimCause.RESTART))
    assert (reply.allowed, reply.taken, reply.left) == (True, 1, False)
    record = store.run(show(keys, "x"))
    assert record is not None
    assert (record.status, record.losses, record.crashes) == (ActivityStatus.PENDING, 1, 0)
    assert (record.attempts[0].kind, record.attempts[0].node) == (AttemptKind.LOST, IDENT.node)
    assert worker.cycle(want=1).status is CycleStatus.FENCED
    assert store.command("EXISTS", keys.node(IDENT.node)) == 0


def test_fifth_loss_ends_among_the_dead(store: BlockingConnection, keys: QueueKeys) -> None:
    _submit(store, keys, "x")
    for boot in range(5):
        worker = Worker(store, keys, SlotIdent(f"n@{boot}", 0, 1))
        assert worker.claim() == ["x"]
        store.run(reclaim(keys, RULES, f"n@{boot}", ReclaimCause.RESTART))
    record = store.run(show(keys, "x"))
    assert record is not None
    assert (record.status, record.reason, record.losses) == (ActivityStatus.DEAD_LETTER, "lost", 5)


def test_cancel_ends_what_waits_and_asks_for_what_runs(
    store: BlockingConnection, keys: QueueKeys, worker: Worker
) -> None:
    _submit(store, keys, "runs", "waits")
    _submit(store, keys, "later", delay_us=60_000_000)
    worker.claim()
    outcomes = {i: store.run(cancel(keys, RULES, i)).outcome for i in ("runs", "waits", "later", "none")}
    assert list(outcomes.values()) == [
        CancelOutcome.REQUESTED, CancelOutcome.CANCELLED, CancelOutcome.CANCELLED, CancelOutcome.UNKNOWN
    ]  # fmt: skip
    beat = store.run(heartbeat(keys, RULES, IDENT.node, joining=False, slots=range(10)))
    assert beat.cancels == {"runs": CancelOrder(IDENT.token(worker.seq))}
    assert worker.settle("runs", Ending.RETRY) is Verdict.OK
    assert _status(store, keys, "runs") is ActivityStatus.CANCELLED
    assert store.run(cancel(keys, RULES, "runs")).outcome is CancelOutcome.ENDED
    beat = store.run(heartbeat(keys, RULES, IDENT.node, joining=False, slots=range(10)))
    assert beat.cancels == {}


def test_completion_wins_over_a_cancel(store: BlockingConnection, keys: QueueKeys, worker: Worker) -> None:
    _submit(store, keys, "x")
    worker.claim()
    store.run(cancel(keys, RULES, "x"))
    worker.settle("x", Ending.COMPLETED, b'{"kind":"completed"}\n1')
    assert _status(store, keys, "x") is ActivityStatus.COMPLETED


def test_due_activity_is_promoted_with_its_priority(store: BlockingConnection, keys: QueueKeys, worker: Worker) -> None:
    _submit(store, keys, "now")
    _submit(store, keys, "later", delay_us=1, priority=3)
    reply = store.run(promote(keys, RULES))
    assert (reply.promoted, reply.next_due_us) == (1, None)
    assert _status(store, keys, "later") is ActivityStatus.PENDING
    assert worker.claim(2) == ["later", "now"]


def test_absolute_time_goes_before_delay(store: BlockingConnection, keys: QueueKeys) -> None:
    _submit(store, keys, "x", delay_us=10**12, at_us=1)
    assert _status(store, keys, "x") is ActivityStatus.PENDING


def test_paused_and_limited_types_are_not_claimed(store: BlockingConnection, keys: QueueKeys, worker: Worker) -> None:
    _submit(store, keys, "a", "b", "c")
    store.run(pause(keys, "t"))
    assert worker.claim(3) == []
    store.run(resume(keys, "t"))
    store.run(limit(keys, "t", 2))
    assert worker.claim(3) == ["a", "b"]
    other = Worker(store, keys, SlotIdent(IDENT.node, 9, 1))
    assert other.claim() == []
    worker.settle("a", Ending.COMPLETED)
    assert store.command("LLEN", keys.wake("t")) > 0
    # `b` was held beside `a` and not named, so it went back: both places are free.
    assert other.claim(3) == ["b", "c"]


def test_dead_letters_are_revived_as_new_discarded_and_trimmed(
    store: BlockingConnection, keys: QueueKeys, worker: Worker
) -> None:
    _submit(store, keys, "a", "b", "c")
    worker.claim(3)
    done = [Settlement(i, IDENT.token(worker.seq), Ending.DEAD, b'{"kind":"failed","attempt":1}') for i in "abc"]
    worker.cycle(settlements=done)
    assert store.run(stats(keys)).dead_letter_count == 3
    assert store.run(revive(keys, RULES, ["a", "a", "none"])) == 1
    record = store.run(show(keys, "a"))
    assert record is not None
    assert (record.status, record.attempt, len(record.attempts)) == (ActivityStatus.PENDING, 0, 1)
    assert store.run(discard(keys, ["b", "a"])) == 1
    assert store.run(trim(keys, dead_limit=5)).dead == 0
    assert store.run(trim(keys, dead_older_than_us=1)).dead == 1
    assert store.run(stats(keys)).dead_letter_count == 0


def test_counts_follow_every_move(store: BlockingConnection, keys: QueueKeys, worker: Worker) -> None:
    _submit(store, keys, "a", "b", "c", priority=2)
    _submit(store, keys, "later", delay_us=10**9)
    worker.claim(2)
    done = Settlement("a", IDENT.token(worker.seq), Ending.COMPLETED, b'{"kind":"completed"}')
    failed = Settlement("b", IDENT.token(worker.seq), Ending.DEAD, b'{"kind":"failed"}')
    worker.cycle(settlements=[done, failed])
    found = store.run(stats(keys))
    assert (found.pending_count, found.scheduled_count, found.running_count) == (1, 1, 0)
    assert (found.completed_count, found.failed_count, found.dead_letter_count) == (1, 1, 1)
    assert (found.by_type, found.by_priority) == ({"t": 1}, {ActivityPriority.HIGH: 1})


def test_watch_answers_at_once_for_what_has_ended(store: BlockingConnection, keys: QueueKeys, worker: Worker) -> None:
    _submit(store, keys, "a", "b")
    worker.claim()
    worker.settle("a", Ending.COMPLETED, b'{"kind":"completed"}\n7')
    ended, waiting, unknown = store.run(watch(keys, ["a", "b", "none"]))
    assert (ended.status, ended.out) == (ActivityStatus.COMPLETED, b'{"kind":"completed"}\n7')
    assert (waiting.status, waiting.out) == (ActivityStatus.PENDING, b"")
    assert unknown.status is None


def test_wake_repairs_a_token_that_was_taken_along(store: BlockingConnection, keys: QueueKeys) -> None:
    _submit(store, keys, "x")
    store.begin_pop([keys.wake("t")], 1)
    assert store.end_pop() == keys.wake("t")
    store.run(wake(keys, ["t", "nothing"]))
    assert store.command("LLEN", keys.wake("t")) == 1


def test_tokens_are_bounded_and_go_with_the_last_activity(
    store: BlockingConnection, keys: QueueKeys, worker: Worker
) -> None:
    _submit(store, keys, *(f"x{i}" for i in range(50)))
    assert store.command("LLEN", keys.wake("t")) == 32
    worker.claim(50)
    assert store.command("EXISTS", keys.wake("t")) == 0
