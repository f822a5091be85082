"""`ActivityQueue`: what an operator sees and does, through the real store."""

from __future__ import annotations

import pytest

from rrqmp.client.executor import ActivityExecutor
from rrqmp.client.queue import ActivityQueue
from rrqmp.errors import ActivityNotFound, ConfigurationError
from rrqmp.model.attempt import Attempt, AttemptKind, Ending
from rrqmp.model.status import ActivityStatus
from rrqmp.store.connection import BlockingConnection
from rrqmp.store.keys import QueueKeys
from tests.client.conftest import FakeWorker

FAILED = Attempt(kind=AttemptKind.FAILED, attempt=1, error="ValueError", message="no")


@pytest.fixture
def queue(executor: ActivityExecutor) -> ActivityQueue:
    return executor.activity_queue


def test_one_activity_is_shown_with_its_attempts(
    executor: ActivityExecutor, queue: ActivityQueue, worker: FakeWorker
) -> None:
    future = executor.execute("t", 1)
    worker.end_next("t", Ending.DEAD, FAILED)
    record = queue.get(future.activity_id)
    assert (record.status, [attempt.message for attempt in record.attempts]) == (ActivityStatus.DEAD_LETTER, ["no"])
    with pytest.raises(ActivityNotFound, match="no-such"):
        queue.get("no-such")


def test_dead_letters_by_id_are_revived_with_all_retries_or_discarded(
    executor: ActivityExecutor, queue: ActivityQueue, worker: FakeWorker
) -> None:
    ids = [executor.execute("t", number).activity_id for number in range(250)]
    for _ in ids:
        worker.end_next("t", Ending.DEAD, FAILED)
    assert queue.revive(*ids[:201], "unknown") == 201
    assert queue.revive(ids[0]) == 0
    record = queue.get(ids[0])
    assert (record.status, record.attempt, len(record.attempts)) == (ActivityStatus.PENDING, 0, 1)
    assert queue.discard(*ids) == 49
    with pytest.raises(ActivityNotFound):
        queue.get(ids[-1])
    assert queue.get_stats().pending_count == 201


def test_paused_type_is_not_claimed_until_it_is_resumed(
    executor: ActivityExecutor, queue: ActivityQueue, worker: FakeWorker
) -> None:
    executor.execute("t")
    executor.execute("u")
    queue.pause("t")
    assert not worker.claim("t")
    queue.pause()
    assert not worker.claim("u")
    queue.resume()
    assert worker.claim("u")
    assert not worker.claim("t")
    queue.resume("t")
    assert worker.claim("t")


def test_limit_holds_until_it_is_taken_away(
    executor: ActivityExecutor, queue: ActivityQueue, worker: FakeWorker
) -> None:
    executor.execute_many("t", range(3))
    queue.limit("t", 1)
    assert len(worker.claim("t", want=3)) == 1
    queue.limit("t", None)
    assert len(worker.claim("t", want=2)) == 2


@pytest.mark.parametrize("most", [-1, 1.5, True, "2"])
def test_limit_that_is_no_number_of_activities_is_refused(queue: ActivityQueue, most: object) -> None:
    with pytest.raises(ConfigurationError, match="None for no limit"):
        queue.limit("t", most)  # type: ignore[arg-type]


def test_type_that_cannot_be_one_is_refused(queue: ActivityQueue) -> None:
    with pytest.raises(ConfigurationError, match="cannot be an activity type"):
        queue.pause("*")


def test_resumed_queue_has_wake_ups_for_every_type_however_many(
    executor: ActivityExecutor, queue: ActivityQueue, store: BlockingConnection, keys: QueueKeys
) -> None:
    types = [f"t{number:03}" for number in range(250)]
    queue.pause()
    for name in types:
        executor.execute(name)
    assert not any(store.command("EXISTS", keys.wake(name)) for name in types)
    queue.resume()
    assert all(store.command("LLEN", keys.wake(name)) for name in types)


def test_children_are_listed_in_order_however_many(executor: ActivityExecutor, queue: ActivityQueue) -> None:
    parent = executor.execute("t").activity_id
    ids = [future.activity_id for future in executor.for_parent(parent, queue.name).execute_many("c", range(1001))]
    assert list(queue.children(parent)) == ids
    assert queue.children(ids[0]) == ()
    assert queue.get(parent).children_count == 1001
