"""Lists of activities by status, page by page, while others change the queue."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from rrqmp.client.executor import ActivityExecutor
from rrqmp.client.queue import ActivityQueue
from rrqmp.errors import ConfigurationError
from rrqmp.model.attempt import Attempt, AttemptKind, Ending, encode_outcome
from rrqmp.model.priority import ActivityPriority
from rrqmp.model.status import ActivityStatus
from rrqmp.model.summary import ActivitySummary
from rrqmp.store.calls.cycle import Settlement, SlotIdent
from rrqmp.store.calls.promote import promote
from rrqmp.store.connection import BlockingConnection
from rrqmp.store.keys import QueueKeys
from tests.client.conftest import RULES, FakeWorker
from tests.processes.harness import eventually

FAILED = Attempt(kind=AttemptKind.FAILED, attempt=1, error="ValueError", message="no")


@pytest.fixture
def queue(executor: ActivityExecutor) -> ActivityQueue:
    return executor.activity_queue


def read_all(
    queue: ActivityQueue,
    status: ActivityStatus,
    *,
    limit: int = 2,
    activity_type: str | None = None,
    between: Callable[[], object] = lambda: None,
) -> list[ActivitySummary]:
    """Every page, one after another."""
    rows: list[ActivitySummary] = []
    cursor = ""
    while True:
        page = queue.list_activities(status, activity_type=activity_type, limit=limit, cursor=cursor)
        assert len(page.activities) <= limit
        rows += page.activities
        cursor = page.cursor
        if not cursor:
            return rows
        between()


def ids(rows: list[ActivitySummary]) -> list[str]:
    return [row.activity_id for row in rows]


@pytest.mark.parametrize("limit", [1, 2, 5, 6, 7, 100])
def test_pending_of_all_types_come_once_type_by_type_in_order_of_running(
    executor: ActivityExecutor, queue: ActivityQueue, limit: int
) -> None:
    before = time.time()
    made = {name: [executor.execute(name, n).activity_id for n in range(2)] for name in ("b", "a", "c")}
    first = executor.execute("b", priority=ActivityPriority.HIGH).activity_id
    rows = read_all(queue, ActivityStatus.PENDING, limit=limit)
    assert ids(rows) == [*made["a"], first, *made["b"], *made["c"]]
    assert {row.status for row in rows} == {ActivityStatus.PENDING}
    assert all(before - 5 < (row.waiting_since or 0) < time.time() + 5 for row in rows)
    assert list(queue.iter_activities("pending")) == rows
    assert ids(read_all(queue, ActivityStatus.PENDING, activity_type="c")) == made["c"]
    assert read_all(queue, ActivityStatus.PENDING, activity_type="nobody's") == []


def test_page_neither_repeats_nor_skips_while_work_goes_on(
    executor: ActivityExecutor, queue: ActivityQueue, worker: FakeWorker
) -> None:
    made = [executor.execute("t", n).activity_id for n in range(40)]

    def work() -> None:
        worker.complete_next("t")
        executor.execute("t", "later")

    rows = read_all(queue, ActivityStatus.PENDING, limit=4, between=work)
    seen = ids(rows)
    assert len(set(seen)) == len(seen)
    still_there = ids(read_all(queue, ActivityStatus.PENDING))
    assert set(made) & set(still_there) <= set(seen)


def test_page_goes_on_behind_a_row_that_is_gone_among_many_of_one_due_time(
    executor: ActivityExecutor, queue: ActivityQueue
) -> None:
    at = datetime.now(UTC) + timedelta(hours=1)
    made = [future.activity_id for future in executor.execute_many("t", range(300), at=at)]
    page = queue.list_activities(ActivityStatus.SCHEDULED, limit=7)
    seen = ids(list(page.activities))
    assert queue.cancel(seen[-1])
    while page.cursor:
        page = queue.list_activities(ActivityStatus.SCHEDULED, limit=50, cursor=page.cursor)
        seen += ids(list(page.activities))
    assert sorted(seen) == sorted(made)


def test_scheduled_retrying_and_promoted_ones_are_told_apart(
    executor: ActivityExecutor, queue: ActivityQueue, worker: FakeWorker, store: BlockingConnection, keys: QueueKeys
) -> None:
    scheduled = executor.execute("t", delay=3600).activity_id
    promoted = executor.execute("p", delay=0.001).activity_id
    retried = executor.execute("r").activity_id
    [(claim, token)] = worker.claim("r")
    worker.settle(Settlement(claim.activity_id, token, Ending.RETRY, encode_outcome(FAILED), 3_600_000_000))

    def is_promoted() -> bool:
        # A claim may have done it already.
        store.run(promote(keys, RULES))
        return ids(read_all(queue, ActivityStatus.PENDING)) == [promoted]

    eventually(is_promoted)
    assert ids(read_all(queue, ActivityStatus.SCHEDULED)) == [scheduled]
    [row] = read_all(queue, ActivityStatus.RETRYING)
    assert (row.activity_id, row.attempt, row.activity_type) == (retried, 1, "r")
    assert row.due_at is not None
    assert 3500 < row.due_at - time.time() < 3700
    assert read_all(queue, ActivityStatus.RETRYING, activity_type="t") == []


def test_running_ones_name_their_node_and_slot(
    executor: ActivityExecutor, queue: ActivityQueue, store: BlockingConnection, keys: QueueKeys
) -> None:
    made = [executor.execute("t", n).activity_id for n in range(7)]
    place: dict[str, tuple[str, int]] = {}
    for node, slot in (("a@1", 10), ("a@1", 9), ("b@1", 0)):
        worker = FakeWorker(store, keys, SlotIdent(node, slot, 1))
        worker.join()
        worker.join()
        for claim, _ in worker.claim("t", want=2):
            place[claim.activity_id] = (node, slot)
    for limit in (1, 2, 3, 100):
        rows = read_all(queue, ActivityStatus.RUNNING, limit=limit)
        assert {row.activity_id: (row.node, row.slot) for row in rows} == place
        assert len(rows) == len(place)
        assert [(row.node, row.slot) for row in rows] == sorted((row.node, row.slot) for row in rows)
    assert made[-1] not in place


def test_what_a_slot_is_said_to_hold_and_another_runs_is_listed_once(
    executor: ActivityExecutor, queue: ActivityQueue, worker: FakeWorker, store: BlockingConnection, keys: QueueKeys
) -> None:
    future = executor.execute("t")
    worker.claim("t")
    store.command("HSET", keys.node(worker.ident.node), "5", f"1.1 {future.activity_id} unknown")
    assert [(row.activity_id, row.slot) for row in read_all(queue, ActivityStatus.RUNNING)] == [(future.activity_id, 0)]


def test_completed_and_cancelled_ones_are_listed_until_their_record_lapses(
    executor: ActivityExecutor, queue: ActivityQueue, worker: FakeWorker, store: BlockingConnection, keys: QueueKeys
) -> None:
    made = [executor.execute("t", n).activity_id for n in range(5)]
    for _ in range(3):
        worker.complete_next("t")
    assert queue.cancel(made[4])
    assert queue.cancel(made[0]) is False
    assert ids(read_all(queue, ActivityStatus.COMPLETED)) == made[2::-1]
    [row] = read_all(queue, ActivityStatus.CANCELLED)
    assert row.activity_id == made[4]
    assert abs((row.ended_at or 0) - time.time()) < 60
    store.command("DEL", keys.activity(made[1]))
    assert ids(read_all(queue, ActivityStatus.COMPLETED)) == [made[2], made[0]]


@pytest.mark.parametrize(
    "cursor", ["x", "e30", "=", "ü", "WyJwZW5kaW5nIiwiYSIsImIiLCJjIl0", "WyJkZWFkX2xldHRlciIsIjEiLCJiIiwiYyJd"]
)
def test_cursor_that_is_none_of_this_list_is_refused(queue: ActivityQueue, cursor: str) -> None:
    with pytest.raises(ConfigurationError, match="is no cursor of a list of pending"):
        queue.list_activities(ActivityStatus.PENDING, cursor=cursor)


@pytest.mark.parametrize("limit", [0, 1001, True, 2.0])
def test_page_of_an_impossible_size_is_refused(queue: ActivityQueue, limit: int) -> None:
    with pytest.raises(ConfigurationError, match="give 1 to 1000 rows"):
        queue.list_activities("pending", limit=limit)


def test_status_that_does_not_exist_is_refused(queue: ActivityQueue) -> None:
    with pytest.raises(ConfigurationError, match="'done' is no status: give one of scheduled, pending"):
        queue.list_activities("done")


@pytest.mark.parametrize("status", list(ActivityStatus))
def test_foreign_bytes_in_records_and_indexes_do_not_stop_a_list(
    queue: ActivityQueue, store: BlockingConnection, keys: QueueKeys, status: ActivityStatus
) -> None:
    store.command(
        "HSET", keys.activity("odd"), "st", status, "ty", b"\xff", "k", "x", "end", "y", "att", "z", "out", "?"
    )
    store.command("SET", keys.activity("text"), "no hash")
    for member in ("odd", "text", "none", b"\xff\xfe"):
        for name in ("dead", "ended", "scheduled"):
            store.command("ZADD", keys.single(name), 1, member)
        store.command("ZADD", keys.ready("t"), 1, member)
        store.command("HSET", keys.node("n@1"), member, "1.1 odd text none")
    store.command("ZADD", keys.single("heads"), 1, "t")
    store.command("ZADD", keys.single("nodes"), 1, "n@1", 2, b"\xff")
    rows = read_all(queue, status, limit=1)
    assert len(rows) == len(set(ids(rows)))


def test_counts_are_never_negative_for_people(
    executor: ActivityExecutor, queue: ActivityQueue, store: BlockingConnection, keys: QueueKeys
) -> None:
    executor.execute("t")
    store.command("HSET", keys.single("count"), "t\x1f1", -7, "u\x1f0", -2)
    store.command("HSET", keys.single("active"), "t", -3)
    counts = queue.get_stats()
    assert min(counts.by_type.values()) == min(counts.by_priority.values()) == 0
    assert (counts.pending_count, counts.running_count) == (0, 0)
    assert queue.gates().running == {}
