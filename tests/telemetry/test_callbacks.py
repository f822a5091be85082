"""Hooks and callbacks of the application that raise, hang or die: logged and counted, and no outcome changed."""

from __future__ import annotations

import signal
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from rrqmp.model.status import ActivityStatus
from tests.processes.conftest import Supervise
from tests.processes.harness import Queue, Supervised, eventually
from tests.telemetry.scraping import APPS, Page, scraped

ALL = ["on_worker_start", "setup", "on_dead_letter"]


def started(supervise: Supervise, folder: Path, mode: str, names: list[str]) -> Supervised:
    environment = {"CALLBACKS": " ".join(f"{name}={mode}" for name in names), "SINK_LINES": str(folder / "lines")}
    where: dict[str, Any] = {"app": "callbacks:engine", "app_dir": APPS, "metrics_address": "127.0.0.1:0"}
    return supervise(workers=1, environment=environment, **where)


def told(folder: Path) -> Counter[str]:
    path = folder / "lines"
    return Counter(path.read_text().splitlines() if path.exists() else [])


def failures(page: Page, name: str) -> float:
    return page.value("worker_callback_failures_total", callback=name)


def outcomes(queue: Queue) -> list[ActivityStatus]:
    ids = [queue.submit("troubled", "fine"), queue.submit("troubled", "fail"), queue.submit("troubled", "fine")]
    return [record.status for record in queue.all_ended(ids)]


@pytest.mark.parametrize("mode", ["raises", "hangs", "dies"])
def test_failed_callbacks_are_counted_and_change_no_outcome(
    supervise: Supervise, queue: Queue, tmp_path: Path, mode: str
) -> None:
    running = started(supervise, tmp_path, mode, ALL)
    assert outcomes(queue) == [ActivityStatus.COMPLETED, ActivityStatus.DEAD_LETTER, ActivityStatus.COMPLETED]
    page = scraped(running, lambda page: all(failures(page, name) for name in ALL))
    assert [failures(page, name) for name in ALL] == [1, 1, 1]
    assert not [name for name in ALL if name not in running.log]
    if mode == "raises":
        eventually(lambda: {f"worker_callback_failures {name}" for name in ALL} <= set(told(tmp_path)))
    assert failures(page, "teardown") == 0


def test_failures_at_a_workers_end_reach_the_sink(supervise: Supervise, queue: Queue, tmp_path: Path) -> None:
    running = started(supervise, tmp_path, "raises", ["teardown", "on_worker_stop"])
    assert queue.ended(queue.submit("troubled", "fine")).status is ActivityStatus.COMPLETED
    assert running.send(signal.SIGTERM).exit_code() == 0
    assert "teardown of troubled failed" in running.log
    lines = told(tmp_path)
    assert lines["worker_callback_failures teardown"] == 1
    assert lines["worker_callback_failures on_worker_stop"] >= 1
