"""One engine through its life: running, refused twice, stopped, running again; and what its end means."""

from __future__ import annotations

import os
import threading
import time
from typing import Any

import pytest

from rrqmp.engine.worker_engine import WorkerEngine
from rrqmp.errors import (
    ActivityFailed,
    AlreadyRunning,
    ConfigurationError,
    NonRetry,
    StoreUnavailable,
    WorkerError,
)
from rrqmp.handling.context import ActivityContext
from rrqmp.model.options import ActivityOption
from rrqmp.model.priority import ActivityPriority
from tests.engine.conftest import PATIENCE


def engine_of(settings: dict[str, Any], **more: Any) -> WorkerEngine:
    engine = WorkerEngine(**{**settings, **more})

    @engine.activity
    def double(payload: int, context: ActivityContext) -> int:
        if payload < 0:
            raise NonRetry("negative")
        return payload * 2

    @engine.activity("children", timeout=20)
    def children(payload: int, context: ActivityContext) -> list[bool]:
        # One worker: the parent leaves them to others, and finds them by their keys.
        batch = context.activity_executor.execute_many("double", range(payload), key=str)
        return [future.is_new for future in batch]

    @engine.activity
    def tell(payload: None, context: ActivityContext) -> dict[str, Any]:
        return {"metadata": dict(context.metadata), "attempt": context.attempt, "left": context.time_remaining()}

    return engine


def test_an_engine_runs_while_the_block_runs_and_can_run_again(settings: dict[str, Any]) -> None:
    engine = engine_of(settings)
    for _ in range(2):
        with engine.running():
            assert engine.execute_activity("double", 4).get_result(PATIENCE) == 8
    engine.get_activity_executor().close()


def test_everything_that_a_handler_is_told_arrives(settings: dict[str, Any]) -> None:
    engine = engine_of(settings)
    with engine.running(), engine.get_activity_executor() as executor:
        sentence = executor.activity("tell").metadata({"correlation_id": "x"}).timeout(50)
        told = sentence.execute().get_result(PATIENCE)
        assert told["metadata"] == {"correlation_id": "x"}
        assert told["attempt"] == 1
        assert 40 < told["left"] <= 50
        assert executor.execute("children", 3).get_result(PATIENCE) == [True] * 3
        with pytest.raises(ActivityFailed, match=r"NonRetry, at test_running.py:.* double.*: negative") as failed:
            executor.execute("double", -1).get_result(PATIENCE)
        assert failed.value.record is not None
        assert failed.value.record.node == "test"


def test_options_may_come_as_one_value(settings: dict[str, Any]) -> None:
    engine = engine_of(settings)
    with engine.get_activity_executor():
        option = ActivityOption(priority=ActivityPriority.CRITICAL, max_retries=10, timeout_seconds=900)
        record = engine.execute_activity("double", 1, option).record()
        assert (record.priority, record.spec.max_retries, record.spec.timeout) == (3, 10, 900.0)
        assert engine.get_activity_queue().get_stats().pending_count == 1


def test_a_second_start_and_a_late_handler_are_refused(settings: dict[str, Any]) -> None:
    engine = engine_of(settings)
    with engine.running():
        with pytest.raises(AlreadyRunning, match="call stop"):
            engine.start()
        with pytest.raises(AlreadyRunning), engine.running():
            pass
        with pytest.raises(AlreadyRunning):
            engine.register_activity("late", print)


def test_stop_gives_back_what_does_not_end_in_time(settings: dict[str, Any]) -> None:
    engine = WorkerEngine(**settings)

    @engine.activity
    def sleep(payload: float) -> None:
        time.sleep(payload)

    thread = threading.Thread(target=engine.start)
    thread.start()
    with engine.get_activity_executor() as executor:
        future = executor.execute("sleep", 60)
        deadline = time.monotonic() + PATIENCE
        while future.status() != "running":
            assert time.monotonic() < deadline
            time.sleep(0.01)
        began = time.monotonic()
        engine.stop(timeout=0.2)
        assert time.monotonic() - began < 5
        thread.join(PATIENCE)
        record = future.record()
        assert (record.status, record.attempt) == ("pending", 0)


def test_stop_without_a_running_engine_does_nothing(settings: dict[str, Any]) -> None:
    engine_of(settings).stop()


def test_an_engine_without_handlers_is_refused_before_anything_starts(settings: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match="no handlers: call register_activity"):
        WorkerEngine(**settings).start()


@pytest.mark.once
def test_redis_out_of_reach_is_told_by_type(settings: dict[str, Any], capfd: pytest.CaptureFixture[str]) -> None:
    engine = engine_of(settings, redis_url="redis://127.0.0.1:1", start_timeout=0.2)
    with pytest.raises(StoreUnavailable, match="exit code 69"), engine.running():
        pass
    assert "127.0.0.1:1" in capfd.readouterr().err


def test_a_wrong_setting_from_outside_is_told_by_type(
    settings: dict[str, Any], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    engine = engine_of(settings)
    monkeypatch.setenv("RRQMP_" + "MAX_WORKERS", "many")
    with pytest.raises(ConfigurationError, match="exit code"), engine.running():
        pass
    assert "many" in capfd.readouterr().err


def test_a_killed_supervisor_is_told(settings: dict[str, Any]) -> None:
    engine = engine_of(settings)
    with pytest.raises(WorkerError, match="killed by SIGKILL"), engine.running():
        os.kill(engine._child.pid, 9)  # type: ignore[union-attr]
