"""Every end wakes those who wait, with an error of its own; and every error travels between processes."""

from __future__ import annotations

import inspect
import pickle
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from rrqmp import aio, errors
from rrqmp.client.batch import as_completed, wait
from rrqmp.client.executor import ActivityExecutor
from rrqmp.client.future import ActivityFuture
from rrqmp.errors import (
    ActivityCancelled,
    ActivityDiscarded,
    ActivityExpired,
    ActivityFailed,
    ActivityNotFound,
    ActivityUnsuccessful,
    ConfigurationError,
    ResultTimeout,
)
from rrqmp.model.attempt import Attempt, AttemptKind, Ending
from rrqmp.model.ids import new_activity_id
from rrqmp.model.status import ActivityStatus
from rrqmp.store.connection import BlockingConnection
from rrqmp.store.keys import QueueKeys
from tests.client.conftest import FakeWorker, eventually

PATIENCE = 10


def waiting(future: ActivityFuture[Any]) -> Any:
    """A wait in a thread of its own, begun."""
    pool = ThreadPoolExecutor(1)
    began = pool.submit(future.get_result, PATIENCE)
    pool.shutdown(wait=False)
    eventually(lambda: future._sinks)
    return began


def test_what_expires_unstarted_wakes_its_waiter(executor: ActivityExecutor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rrqmp.client.notices.NET_SECONDS", 0.05)
    future = executor.execute("render", 1, expires=0.05)
    # Nobody serves this queue: the waiter's own question ends it.
    with pytest.raises(ActivityExpired, match="expired before its start") as told:
        future.get_result(PATIENCE)
    assert told.value.record is not None
    assert told.value.record.kind is AttemptKind.EXPIRED
    assert future.status() is ActivityStatus.CANCELLED


def test_a_second_death_wakes_who_waits_since_the_revival(
    executor: ActivityExecutor, worker: FakeWorker, connect: Callable[[], ActivityExecutor]
) -> None:
    future = executor.execute("render", 1)
    worker.end_next("render", Ending.DEAD, Attempt(kind=AttemptKind.FAILED))
    executor.activity_queue.revive(future.activity_id)
    stranger = connect().future(future.activity_id)
    began = waiting(stranger)
    worker.end_next("render", Ending.DEAD, Attempt(kind=AttemptKind.FAILED))
    with pytest.raises(ActivityFailed):
        began.result(PATIENCE)


def test_discarding_wakes_who_has_not_heard_of_the_dead_letter(
    executor: ActivityExecutor, worker: FakeWorker, store: BlockingConnection, keys: QueueKeys
) -> None:
    future = executor.execute("render", 1)
    worker.end_next("render", Ending.DEAD, Attempt(kind=AttemptKind.FAILED))
    # As one who began to wait before it died, and missed the notice of that.
    executor.activity_queue.revive(future.activity_id)
    began = waiting(future)
    eventually(lambda: store.command("HEXISTS", keys.activity(future.activity_id), "watch"))
    store.command("HSET", keys.activity(future.activity_id), "st", "dead_letter", "more", 1)
    store.command("ZADD", keys.single("dead"), 1, future.activity_id)
    assert executor.activity_queue.discard(future.activity_id) == 1
    with pytest.raises(ActivityDiscarded, match="was discarded"):
        began.result(PATIENCE)


def test_a_cancel_wakes_its_waiter(executor: ActivityExecutor) -> None:
    future = executor.execute("render", 1)
    began = waiting(future)
    assert future.cancel()
    with pytest.raises(ActivityCancelled):
        began.result(PATIENCE)


def test_done_tells_without_waiting(executor: ActivityExecutor, worker: FakeWorker) -> None:
    future = executor.execute("render", 1)
    assert not future.done()
    worker.complete_next("render", 5)
    assert future.done()
    assert future.get_result(0) == 5
    with pytest.raises(ActivityNotFound):
        executor.future(new_activity_id()).done()


def test_a_known_end_stays_known_though_the_dead_letter_is_revived(
    executor: ActivityExecutor, worker: FakeWorker
) -> None:
    future = executor.execute("render", 1)
    worker.end_next("render", Ending.DEAD, Attempt(kind=AttemptKind.FAILED, message="x" * 100_000))
    assert future.done()
    executor.activity_queue.revive(future.activity_id)
    with pytest.raises(ActivityUnsuccessful):
        future.get_result(0)
    assert not executor.future(future.activity_id).done()


def test_what_was_prepared_for_a_connection_that_was_closed_is_told_all_the_same(
    executor: ActivityExecutor, worker: FakeWorker
) -> None:
    warm = executor.execute("render", 0)
    worker.complete_next("render", 0)
    warm.get_result(PATIENCE)
    eventually(lambda: executor._reach.reply_for(warm.keys))
    prepared = executor.activity("render").payload(1).prepare()
    executor.close()
    future = prepared.execute()
    began = waiting(future)
    worker.complete_next("render", 1)
    # Much sooner than the net is cast.
    assert began.result(4) == 1


def test_what_is_sent_again_after_its_end_is_told_at_once(executor: ActivityExecutor, worker: FakeWorker) -> None:
    warm = executor.execute("render", 0)
    worker.complete_next("render", 0)
    warm.get_result(PATIENCE)
    eventually(lambda: executor._reach.reply_for(warm.keys))
    prepared = executor.activity("render").payload(1).prepare()
    first, second = prepared.execute(), prepared.execute()
    worker.complete_next("render", 5)
    # Much sooner than the net is cast.
    assert [one.get_result(4) for one in (first, second, prepared.execute())] == [5, 5, 5]


def test_many_threads_await_one_future(executor: ActivityExecutor, worker: FakeWorker) -> None:
    future = executor.execute("render", 1)
    gate = threading.Barrier(21)

    def go() -> Any:
        gate.wait(PATIENCE)
        return [future.get_result(PATIENCE) for _ in range(3)]

    with ThreadPoolExecutor(20) as pool:
        began = [pool.submit(go) for _ in range(20)]
        gate.wait(PATIENCE)
        worker.complete_next("render", {"a": 1})
        assert [wait.result(PATIENCE) for wait in began] == [[{"a": 1}] * 3] * 20


def test_wait_gives_what_has_ended_and_what_has_not(executor: ActivityExecutor, worker: FakeWorker) -> None:
    first, second, third = executor.execute_many("render", range(3))
    assert wait([first, second], 0) == (set(), {first, second})
    worker.complete_next("render", 1)
    assert wait([first, second, third], PATIENCE, "FIRST_COMPLETED") == ({first}, {second, third})
    worker.end_next("render", Ending.DEAD, Attempt(kind=AttemptKind.FAILED))
    assert wait([first, second, third], PATIENCE, return_when="FIRST_EXCEPTION") == ({first, second}, {third})
    worker.complete_next("render", 1)
    assert wait([first, second, third]).not_done == set()
    assert wait([]) == (set(), set())
    wrong: Any = "SOME"
    with pytest.raises(ConfigurationError, match="return_when is 'SOME'"):
        wait([first], return_when=wrong)


def test_what_is_no_future_of_this_client_is_named(executor: ActivityExecutor) -> None:
    stranger = aio.ActivityExecutor.connect().future(new_activity_id())
    for wrong in (7, stranger):
        given: Any = [executor.future(new_activity_id()), wrong]
        with pytest.raises(ConfigurationError, match="is no ActivityFuture of rrqmp.client"):
            wait(given, 0)
        with pytest.raises(ConfigurationError, match="is no ActivityFuture of rrqmp.client"):
            list(as_completed(given, timeout=0))


def test_a_wait_that_is_left_early_is_forgotten(executor: ActivityExecutor, worker: FakeWorker) -> None:
    batch = executor.execute_many("render", range(3))
    worker.complete_next("render", 1)
    assert next(iter(as_completed(batch, timeout=PATIENCE))).index == 0
    assert not any(future._sinks for future in batch)
    with pytest.raises(ConfigurationError, match="timeout is -1 s"):
        batch[1].get_result(-1)
    with pytest.raises(ResultTimeout):
        batch[1].get_result(0)


def test_a_batch_counts_where_its_activities_stand(executor: ActivityExecutor, worker: FakeWorker) -> None:
    batch = executor.execute_many("render", range(250))
    worker.complete_many("render", 10)
    worker.end_next("render", Ending.DEAD, Attempt(kind=AttemptKind.FAILED))
    worker.claim("render", want=3)
    assert batch.counts() == {
        ActivityStatus.PENDING: 236, ActivityStatus.RUNNING: 3,
        ActivityStatus.COMPLETED: 10, ActivityStatus.DEAD_LETTER: 1,
    }  # fmt: skip
    assert batch[:0].counts() == {}
    assert batch[:10].counts() == {ActivityStatus.COMPLETED: 10}


@pytest.mark.parametrize(
    "kind",
    [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, BaseException)],
    ids=lambda kind: kind.__name__,
)
def test_every_error_travels_by_pickle(kind: type[BaseException]) -> None:
    attempt = Attempt(kind=AttemptKind.FAILED, message="it broke", attempt=2)
    arguments: tuple[Any, ...] = ("told",)
    if issubclass(kind, ActivityUnsuccessful):
        arguments = ("told", attempt, (attempt,))
    elif issubclass(kind, errors.BatchSubmissionError):
        arguments = ("told", ["a"], ["b"], [1])
    elif issubclass(kind, errors.DuplicateActivity):
        arguments = ("told", "owner")
    error = kind(*arguments)
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is kind
    assert str(copy) == str(error)
    assert vars(copy) == vars(error)
