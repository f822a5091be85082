"""Waiting for ends on the real server: every end wakes its waiters, whenever they came."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import pytest

from rrqmp.client.batch import as_completed
from rrqmp.client.executor import ActivityExecutor
from rrqmp.errors import (
    ActivityCancelled,
    ActivityCrashed,
    ActivityExpired,
    ActivityFailed,
    ActivityNotFound,
    ActivityOutOfMemory,
    ActivityTimedOut,
    ActivityUnsuccessful,
    ConfigurationError,
    ResultError,
    ResultExpired,
    ResultTimeout,
    StoreUnavailable,
)
from rrqmp.model.activity_type import ActivityType
from rrqmp.model.attempt import Attempt, AttemptKind, Ending
from rrqmp.model.ids import new_activity_id
from rrqmp.model.status import ActivityStatus
from rrqmp.store.calls.cancel import cancel
from rrqmp.store.connection import BlockingConnection
from rrqmp.store.keys import QueueKeys
from tests.client.conftest import RULES, FakeWorker, eventually

PATIENCE = 10


@dataclass
class Thumb:
    size: int


THUMBNAIL = ActivityType("thumbnail", dict, Thumb)


def waiting(futures: list[Any]) -> list[Any]:
    """Waits begun in threads of their own, that have reached the server."""
    pool = ThreadPoolExecutor(len(futures))
    began = [pool.submit(future.get_result, PATIENCE) for future in futures]
    pool.shutdown(wait=False)
    return began


def test_a_future_of_an_ended_activity_answers_at_once(executor: ActivityExecutor, worker: FakeWorker) -> None:
    future = executor.execute("render", 1)
    worker.complete_next("render", {"ok": True})
    assert future.get_result(PATIENCE) == {"ok": True}


def test_the_end_wakes_who_waits(executor: ActivityExecutor, worker: FakeWorker) -> None:
    futures = [executor.execute("render", place) for place in range(3)]
    began = waiting(futures)
    for place in range(3):
        worker.complete_next("render", place)
    assert [wait.result(PATIENCE) for wait in began] == [0, 1, 2]


def test_the_second_wait_is_told_without_asking(executor: ActivityExecutor, worker: FakeWorker) -> None:
    first = executor.execute("render", 1)
    worker.complete_next("render", 1)
    first.get_result(PATIENCE)
    eventually(lambda: executor._reach.reply_for(first.keys))
    for place in range(20):
        future = executor.execute("render", place)
        assert future.record().spec.reply
        worker.complete_next("render", place)
        assert future.get_result(PATIENCE) == place
    assert not future.record().attempts[-1].error


def test_a_wait_given_up_says_so_and_the_activity_goes_on(executor: ActivityExecutor, worker: FakeWorker) -> None:
    future = executor.execute("render", 1)
    with pytest.raises(ResultTimeout, match=f"render {future.activity_id} had not ended after 0.05 s"):
        future.get_result(timeout=0.05)
    with pytest.raises(TimeoutError):
        future.get_result(timeout=0)
    worker.complete_next("render", "late")
    assert future.get_result(PATIENCE) == "late"
    assert future.get_result() == "late"


def test_none_is_a_result(executor: ActivityExecutor, worker: FakeWorker) -> None:
    future = executor.execute("render", 1)
    worker.complete_next("render", None)
    assert future.get_result(PATIENCE) is None


def test_a_declared_result_comes_in_its_type(executor: ActivityExecutor, worker: FakeWorker) -> None:
    future = executor.execute(THUMBNAIL, {})
    worker.complete_next("thumbnail", {"size": 3})
    assert future.get_result(PATIENCE) == Thumb(3)


def test_a_result_of_another_type_is_told(executor: ActivityExecutor, worker: FakeWorker) -> None:
    future = executor.execute(THUMBNAIL, {})
    worker.complete_next("thumbnail", {"size": "large"})
    with pytest.raises(ResultError, match=r"Expected `int`, got `str` - at `\$.size`"):
        future.get_result(PATIENCE)


def test_a_large_result_is_fetched(executor: ActivityExecutor, worker: FakeWorker) -> None:
    future = executor.execute("render", 1)
    [began] = waiting([future])
    worker.complete_next("render", "x" * 100_000)
    assert len(began.result(PATIENCE)) == 100_000


@pytest.mark.parametrize(
    ("attempt", "error", "message"),
    [
        (Attempt(kind=AttemptKind.FAILED, error="ValueError", message="no such file\nmore", where="a.py:3 f",
                 attempt=1),
         ActivityFailed, r"render .* failed on attempt 1 \(ValueError, at a.py:3 f\): no such file\. See: rrqmp show"),
        (Attempt(kind=AttemptKind.TIMED_OUT, run_seconds=20.02, attempt=4, where="a.py:3 f"),
         ActivityTimedOut, r"timed out on attempt 4 \(killed after 20.0 s, at a.py:3 f\)"),
        (Attempt(kind=AttemptKind.CRASHED, signal="SIGSEGV", attempt=3, peak_bytes=212 << 20),
         ActivityCrashed, r"crashed on attempt 3 \(SIGSEGV\); peak 212 MiB"),
        (Attempt(kind=AttemptKind.CRASHED, exit_code=1, attempt=1),
         ActivityCrashed, r"crashed on attempt 1 \(exit code 1\)"),
        (Attempt(kind=AttemptKind.OUT_OF_MEMORY, attempt=1), ActivityOutOfMemory, "ran out of memory on attempt 1"),
    ],
)  # fmt: skip
def test_every_unsuccessful_end_has_its_error(
    executor: ActivityExecutor, worker: FakeWorker, attempt: Attempt, error: type[ActivityUnsuccessful], message: str
) -> None:
    future = executor.execute("render", 1)
    worker.end_next("render", Ending.DEAD, attempt)
    with pytest.raises(error, match=message) as told:
        future.get_result(PATIENCE)
    assert told.value.record == attempt
    assert told.value.attempts == (attempt,)


def test_earlier_attempts_come_with_the_error(executor: ActivityExecutor, worker: FakeWorker) -> None:
    future = executor.execute("render", 1)
    first = Attempt(kind=AttemptKind.FAILED, message="first", attempt=1)
    worker.end_next("render", Ending.CRASH, first)
    worker.end_next("render", Ending.DEAD, Attempt(kind=AttemptKind.FAILED, message="second", attempt=2))
    with pytest.raises(ActivityFailed, match="second") as told:
        future.get_result(PATIENCE)
    assert [attempt.message for attempt in told.value.attempts] == ["first", "second"]


def test_a_cancel_wakes_who_waits(
    executor: ActivityExecutor, worker: FakeWorker, store: BlockingConnection, keys: QueueKeys
) -> None:
    future = executor.execute("render", 1)
    [began] = waiting([future])
    store.run(cancel(keys, RULES, future.activity_id))
    with pytest.raises(ActivityCancelled, match="was cancelled"):
        began.result(PATIENCE)


def test_an_unknown_id_is_not_found(executor: ActivityExecutor) -> None:
    future = executor.future(new_activity_id())
    with pytest.raises(ActivityNotFound, match="has no activity"):
        future.get_result(PATIENCE)
    with pytest.raises(LookupError):
        future.status()


def test_what_is_no_id_is_refused(executor: ActivityExecutor) -> None:
    with pytest.raises(ConfigurationError, match="'x' is no activity id"):
        executor.future("x")


def test_a_record_whose_time_is_over_is_expired_for_its_submitter(
    executor: ActivityExecutor, worker: FakeWorker, store: BlockingConnection, keys: QueueKeys
) -> None:
    future = executor.execute("render", 1)
    worker.complete_next("render", 1)
    store.command("DEL", keys.activity(future.activity_id))
    with pytest.raises(ResultExpired, match="time to live is over"):
        future.get_result(PATIENCE)


def test_foreign_bytes_as_outcome_are_an_error_of_ours(
    executor: ActivityExecutor, worker: FakeWorker, store: BlockingConnection, keys: QueueKeys
) -> None:
    future = executor.execute("render", 1)
    worker.complete_next("render", 1)
    store.command("HSET", keys.activity(future.activity_id), "out", b"\xff")
    with pytest.raises(ResultError, match="foreign bytes"):
        future.get_result(PATIENCE)


def test_another_executor_waits_by_id(
    executor: ActivityExecutor, worker: FakeWorker, connect: Callable[[], ActivityExecutor]
) -> None:
    future = connect().future(executor.execute(THUMBNAIL, {}).activity_id, THUMBNAIL)
    [began] = waiting([future])
    worker.complete_next("thumbnail", {"size": 1})
    assert began.result(PATIENCE) == Thumb(1)


def test_two_futures_of_one_activity_are_both_told(executor: ActivityExecutor, worker: FakeWorker) -> None:
    futures = [executor.execute("render", 1, key="k") for _ in range(2)]
    began = waiting(futures)
    worker.complete_next("render", 5)
    assert [wait.result(PATIENCE) for wait in began] == [5, 5]


def test_futures_are_handed_out_as_they_end(executor: ActivityExecutor, worker: FakeWorker) -> None:
    batch = executor.execute_many("render", range(300))
    order: list[int] = []

    def finish_all() -> None:
        for _ in range(6):
            worker.complete_many("render", 50, 1)

    thread = threading.Thread(target=finish_all)
    thread.start()
    for future in as_completed(batch, timeout=PATIENCE):
        order.append(future.index)
        assert future.get_result(timeout=0) == 1
    thread.join()
    assert sorted(order) == list(range(300))


def test_a_wait_for_many_that_is_given_up_counts_the_rest(executor: ActivityExecutor, worker: FakeWorker) -> None:
    batch = executor.execute_many("render", range(3))
    worker.complete_next("render", 1)
    with pytest.raises(ResultTimeout, match=r"2 of 3 activities had not ended after 0\.2 s"):
        list(as_completed(batch, timeout=0.2))


def test_the_results_of_a_batch_come_in_order_with_errors_in_place(
    executor: ActivityExecutor, worker: FakeWorker
) -> None:
    batch = executor.execute_many("render", range(3))
    worker.complete_next("render", "a")
    worker.end_next("render", Ending.DEAD, Attempt(kind=AttemptKind.FAILED))
    worker.complete_next("render", "c")
    results = batch.results(timeout=PATIENCE, return_exceptions=True)
    assert results[::2] == ["a", "c"]
    assert isinstance(results[1], ActivityFailed)
    with pytest.raises(ActivityFailed):
        batch.results(timeout=PATIENCE)


def test_ends_told_while_the_line_was_cut_are_heard_after_it(
    executor: ActivityExecutor, worker: FakeWorker, store: BlockingConnection
) -> None:
    warm = executor.execute("render", 0)
    worker.complete_next("render", 0)
    warm.get_result(PATIENCE)
    futures = [executor.execute("render", place) for place in range(5)]
    began = waiting(futures)
    # Every end falls into the moment in which nobody is subscribed.
    store.command("CLIENT", "KILL", "TYPE", "pubsub")
    for place in range(5):
        worker.complete_next("render", place)
    assert [wait.result(PATIENCE) for wait in began] == list(range(5))


def test_a_future_submitted_before_a_cut_and_awaited_after_it_is_told(
    executor: ActivityExecutor, worker: FakeWorker, store: BlockingConnection
) -> None:
    warm = executor.execute("render", 0)
    worker.complete_next("render", 0)
    warm.get_result(PATIENCE)
    future = executor.execute("render", 1)
    store.command("CLIENT", "KILL", "TYPE", "pubsub")
    worker.complete_next("render", 1)
    assert future.get_result(PATIENCE) == 1


def test_a_fork_waits_with_a_subscription_of_its_own(executor: ActivityExecutor, worker: FakeWorker) -> None:
    warm = executor.execute("render", 0)
    worker.complete_next("render", 0)
    warm.get_result(PATIENCE)
    future = executor.execute("render", 1)
    pid = os.fork()
    if pid == 0:
        try:
            os._exit(0 if future.get_result(PATIENCE) == 7 else 2)
        finally:
            os._exit(1)
    worker.complete_next("render", 7)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert future.get_result(PATIENCE) == 7


@pytest.mark.once
def test_ten_thousand_futures_wait_on_one_connection(
    executor: ActivityExecutor, worker: FakeWorker, store: BlockingConnection
) -> None:
    batch = executor.execute_many("render", range(10_000))
    seen = threading.Event()

    def finish_all() -> None:
        seen.wait(PATIENCE)
        for _ in range(200):
            # On a busy machine this takes longer than a lease.
            worker.join()
            worker.complete_many("render", 50, 1)

    thread = threading.Thread(target=finish_all)
    thread.start()
    ends = as_completed(batch, timeout=50)
    seen.set()
    assert sum(1 for _ in ends) == 10_000
    thread.join()
    listed = store.command("CLIENT", "LIST", "TYPE", "pubsub").decode()
    assert listed.count("rrqmp-notices") <= 2


def test_a_closed_executor_leaves_no_thread(connect: Callable[[], ActivityExecutor], worker: FakeWorker) -> None:
    executor = connect()
    future = executor.execute("render", 1)
    worker.complete_next("render", 1)
    future.get_result(PATIENCE)
    before = {thread.ident for thread in threading.enumerate() if thread.name == "rrqmp-notices"}
    executor.close()
    executor.close()
    after = {thread.ident for thread in threading.enumerate() if thread.name == "rrqmp-notices"}
    assert len(after) == len(before) - 1


def test_closing_wakes_who_waits(connect: Callable[[], ActivityExecutor]) -> None:
    executor = connect()
    future = executor.execute("render", 1)
    [began] = waiting([future])
    eventually(lambda: future._sinks)
    executor.close()
    with pytest.raises(StoreUnavailable, match="closed while somebody waited"):
        began.result(PATIENCE)


def test_a_closed_executor_opens_again_when_it_is_used(executor: ActivityExecutor, worker: FakeWorker) -> None:
    future = executor.execute("render", 1)
    executor.close()
    worker.complete_next("render", 2)
    assert future.get_result(PATIENCE) == 2


def test_counts_follow_the_activities(executor: ActivityExecutor, worker: FakeWorker) -> None:
    executor.execute_many("render", range(4))
    executor.execute("render", 5, delay=60)
    worker.complete_next("render", 1)
    worker.end_next("render", Ending.DEAD, Attempt(kind=AttemptKind.FAILED))
    worker.claim("render")
    stats = executor.activity_queue.get_stats()
    assert (stats.pending_count, stats.running_count, stats.scheduled_count) == (1, 1, 1)
    assert (stats.completed_count, stats.failed_count, stats.dead_letter_count) == (1, 1, 1)


def test_a_status_is_the_one_of_the_moment(executor: ActivityExecutor, worker: FakeWorker) -> None:
    future = executor.execute("render", 1)
    assert future.status() is ActivityStatus.PENDING
    worker.complete_next("render")
    assert future.status() is ActivityStatus.COMPLETED


def test_an_end_that_nobody_told_is_found_by_the_net(
    executor: ActivityExecutor, store: BlockingConnection, keys: QueueKeys, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rrqmp.client.notices.NET_SECONDS", 0.05)
    future = executor.execute("render", 1)
    [began] = waiting([future])
    eventually(lambda: store.command("HEXISTS", keys.activity(future.activity_id), "watch"))
    store.command("HSET", keys.activity(future.activity_id), "st", "completed", "out", b'{"kind":"completed"}\n9')
    assert began.result(PATIENCE) == 9


def test_a_waiter_is_told_of_an_expiry_though_nobody_serves_the_queue(executor: ActivityExecutor) -> None:
    first = executor.execute("nobody", 1, expires=0.05)
    with pytest.raises(ResultTimeout):
        first.get_result(timeout=0.1)
    with pytest.raises(ActivityExpired):
        executor.future(first.activity_id).get_result(timeout=20)


def test_parent_and_child_are_recorded(executor: ActivityExecutor) -> None:
    parent = executor.execute("nobody", 1)
    child = executor.for_parent(parent.activity_id, executor.queue_name).execute("nobody", 2)
    assert parent.record().children == (child.activity_id,)
    assert child.record().parent == parent.activity_id
