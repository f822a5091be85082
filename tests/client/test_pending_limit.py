"""`max_pending`: who would make a queue too long is told so, and nothing of the call is accepted."""

from __future__ import annotations

from typing import Any

import pytest

from rrqmp.client.executor import ActivityExecutor
from rrqmp.engine.worker_engine import WorkerEngine
from rrqmp.errors import BatchSubmissionError, ConfigurationError, QueueFull
from rrqmp.store.embedded import EmbeddedServer
from tests.client.conftest import FakeWorker


def test_a_full_queue_refuses_until_something_is_claimed(
    server: EmbeddedServer, queue_name: str, worker: FakeWorker
) -> None:
    with ActivityExecutor.connect(server.url, queue_name, max_pending=2) as executor:
        executor.execute("render", 1)
        executor.execute("render", 2, delay=60)
        with pytest.raises(QueueFull, match=f"queue '{queue_name}' would hold more than 2 waiting") as told:
            executor.execute("render", 3)
        assert told.value.is_retryable
        assert executor.activity_queue.get_stats().pending_count == 1
        worker.claim("render")
        executor.execute("render", 4)


def test_a_batch_that_does_not_fit_says_what_went(server: EmbeddedServer, queue_name: str) -> None:
    with ActivityExecutor.connect(server.url, queue_name, max_pending=250) as executor:
        with pytest.raises(BatchSubmissionError, match="50 of 250|200 of 400") as told:
            executor.execute_many("render", range(400))
        assert isinstance(told.value.__cause__, QueueFull)
        assert len(told.value.submitted) == executor.activity_queue.get_stats().pending_count == 200
        assert told.value.failed_places == tuple(range(200, 400))


def test_each_queue_may_have_a_limit_of_its_own(server: EmbeddedServer, queue_name: str) -> None:
    with ActivityExecutor.connect(server.url, queue_name, max_pending=1) as executor:
        wide = executor.for_queue(f"{queue_name}-wide", max_pending=0)
        wide.execute_many("render", range(3))
        other = executor.activity("render").queue(f"{queue_name}-other")
        other.execute()
        with pytest.raises(QueueFull):
            other.execute()


def test_an_engine_hands_its_limit_to_its_executor(server: EmbeddedServer, queue_name: str) -> None:
    engine = WorkerEngine(redis_url=server.url, queue_name=queue_name, max_pending=1)
    with engine.get_activity_executor() as executor:
        executor.execute("render")
        with pytest.raises(QueueFull):
            executor.execute("render")


@pytest.mark.parametrize("wrong", [-1, 1.5, "2", True])
def test_a_wrong_limit_is_named(wrong: Any) -> None:
    with pytest.raises(ConfigurationError, match="max_pending is .*: give a number of waiting activities"):
        ActivityExecutor.connect(max_pending=wrong)
