"""Cancelling as a client sees it: what waits is gone at once, and every call says what became of it."""

from __future__ import annotations

import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from rrqmp.client.batch import as_completed
from rrqmp.client.executor import ActivityExecutor
from rrqmp.errors import ActivityCancelled, ActivityFailed, ActivityNotFound, ConfigurationError, StoreUnavailable
from rrqmp.model.attempt import Attempt, AttemptKind, Ending
from rrqmp.model.ids import new_activity_id
from rrqmp.model.status import ActivityStatus
from rrqmp.store.calls.cancel import read_cancel_order
from rrqmp.store.connection import BlockingConnection
from rrqmp.store.keys import QueueKeys
from tests.client.conftest import FakeWorker


@pytest.mark.parametrize("options", [{}, {"delay": 60}], ids=["pending", "scheduled"])
def test_waiting_activity_is_gone_at_once_and_its_waiter_told(
    executor: ActivityExecutor, worker: FakeWorker, options: dict[str, Any]
) -> None:
    future = executor.execute("render", 1, **options)
    assert future.cancel()
    assert future.status() is ActivityStatus.CANCELLED
    with pytest.raises(ActivityCancelled):
        future.get_result(5)
    assert not worker.claim("render")
    # Asked again: it is cancelled, whoever asked first.
    assert future.cancel()


def test_retrying_activity_is_gone_too(executor: ActivityExecutor, worker: FakeWorker) -> None:
    future = executor.execute("render", 1)
    worker.end_next("render", Ending.RETRY, Attempt(kind=AttemptKind.FAILED))
    assert future.cancel()
    with pytest.raises(ActivityCancelled):
        future.get_result(5)


def test_cancel_after_the_end_changes_nothing(executor: ActivityExecutor, worker: FakeWorker) -> None:
    done, dead = executor.execute("render", 1), executor.execute("render", 2)
    worker.complete_next("render", "fine")
    worker.end_next("render", Ending.DEAD, Attempt(kind=AttemptKind.FAILED, error="E"))
    assert (done.cancel(grace=0), dead.cancel()) == (False, False)
    assert done.get_result(5) == "fine"
    with pytest.raises(ActivityFailed):
        dead.get_result(5)


def test_unknown_id_is_an_error_and_our_own_that_has_lapsed_is_not(
    executor: ActivityExecutor, worker: FakeWorker, store: BlockingConnection, keys: QueueKeys
) -> None:
    with pytest.raises(ActivityNotFound):
        executor.cancel(new_activity_id())
    with pytest.raises(ActivityNotFound):
        executor.future(new_activity_id()).cancel()
    future = executor.execute("render", 1)
    worker.complete_next("render")
    store.command("DEL", keys.activity(future.activity_id))
    assert not future.cancel()


@pytest.mark.parametrize(("grace", "told"), [(None, None), (0, 0), (1.5, 1500), (timedelta(seconds=2), 2000)])
def test_running_one_is_asked_with_its_grace(
    executor: ActivityExecutor,
    worker: FakeWorker,
    store: BlockingConnection,
    keys: QueueKeys,
    grace: Any,
    told: int | None,
) -> None:
    future = executor.execute("render", 1)
    [(claim, token)] = worker.claim("render")
    assert executor.cancel(claim.activity_id, grace)
    order = read_cancel_order(store.command("HGET", f"{keys.root}cancels:{worker.ident.node}", claim.activity_id))
    assert (order.token, order.grace_ms) == (token, told)
    assert future.record().cancel_requested


@pytest.mark.parametrize("grace", [-1, "soon", float("nan"), True])
def test_grace_that_is_none_is_refused(executor: ActivityExecutor, grace: Any) -> None:
    future = executor.execute("render", 1)
    with pytest.raises(ConfigurationError, match="grace"):
        future.cancel(grace)
    assert future.status() is ActivityStatus.PENDING


def test_batch_tells_how_many_it_has_cancelled(executor: ActivityExecutor, worker: FakeWorker) -> None:
    batch = executor.execute_many("render", range(5))
    worker.complete_next("render")
    assert batch.cancel() == 4
    ended = [future.status() for future in as_completed(batch, timeout=5)]
    assert sorted(ended) == [ActivityStatus.CANCELLED] * 4 + [ActivityStatus.COMPLETED]


def test_children_are_found_in_every_generation(executor: ActivityExecutor, worker: FakeWorker) -> None:
    parent = executor.execute("render", 1)
    worker.claim("render")
    inside = executor.for_parent(parent.activity_id, executor.queue_name)
    children = inside.execute_many("tile", range(250))
    below = executor.for_parent(children[0].activity_id, executor.queue_name).execute("pixel", 1)
    stranger = executor.execute("tile", 0)
    assert executor.cancel_children(parent.activity_id) == 251
    assert {child.status() for child in [*children, below]} == {ActivityStatus.CANCELLED}
    assert (stranger.status(), parent.status()) == (ActivityStatus.PENDING, ActivityStatus.RUNNING)
    assert executor.cancel_children(parent.activity_id) == 0


def test_cancel_without_redis_gives_up_in_time(tmp_path: Path) -> None:
    with ActivityExecutor.connect(f"unix://{tmp_path / 'nobody'}", "q", resend_seconds=0.1) as executor:
        began = time.monotonic()
        with pytest.raises(StoreUnavailable):
            executor.cancel(new_activity_id())
        assert time.monotonic() - began < 5
