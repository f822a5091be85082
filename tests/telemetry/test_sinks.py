"""A sink of the application: called with every ending, and unable to change one."""

from __future__ import annotations

import signal
import time
from collections import Counter
from pathlib import Path

import pytest

from rrqmp.model.status import ActivityStatus
from rrqmp.shared_state.board import WorkerState
from tests.processes.conftest import Supervise
from tests.processes.harness import Queue, eventually
from tests.telemetry.scraping import APPS, scraped


def environment(kind: str, folder: Path) -> dict[str, str]:
    return {"SINK_KIND": kind, "SINK_LINES": str(folder / "lines")}


def read(folder: Path) -> Counter[str]:
    path = folder / "lines"
    lines = path.read_text().splitlines() if path.exists() else []
    return Counter(line.partition(" ")[2] for line in lines)


def test_sink_is_told_each_ending_and_closed_at_the_stop(supervise: Supervise, queue: Queue, tmp_path: Path) -> None:
    running = supervise(app="sinks:engine", app_dir=APPS, workers=1, environment=environment("lines", tmp_path))
    queue.all_ended(queue.submit_many("echo", range(5)))
    queue.ended(queue.submit("hang", timeout=0.1))
    eventually(lambda: read(tmp_path)["activity_timeout 1 hang"], seen=lambda: read(tmp_path))
    assert running.send(signal.SIGTERM).exit_code() == 0
    assert "metrics http" not in running.log
    lines = read(tmp_path)
    assert lines["activity_completed 1 echo"] == 5
    assert lines["activity_execution True echo"] == 5
    assert lines["activity_queue_wait True echo"] == 5
    assert (lines["activity_timeout 1 hang"], lines["activity_dead_letter 1 hang"]) == (1, 1)
    # The one that was killed could not close its own.
    assert lines["closed"] == 1


@pytest.mark.parametrize("kind", ["raises", "hangs"])
def test_sink_that_fails_changes_no_outcome_and_no_worker(
    supervise: Supervise, queue: Queue, tmp_path: Path, kind: str
) -> None:
    running = supervise(
        app="sinks:engine",
        app_dir=APPS,
        workers=1,
        metrics_address="127.0.0.1:0",
        environment=environment(kind, tmp_path),
    )
    [before] = running.idle()
    ids = [queue.submit("echo", number) for number in range(20)]
    records = queue.all_ended(ids)
    assert {record.status for record in records} == {ActivityStatus.COMPLETED}
    record = queue.ended(queue.submit("pid"))
    assert record.result is not None
    assert int(record.result) == before
    page = scraped(running, lambda page: page.total("activity_completed_total", type="echo") == 20)
    if kind == "raises":
        page = scraped(running, lambda page: page.value("worker_sink_failures_total") >= 20)
        running.logged("the metrics sink failed at activity_completed")
        assert running.log.count("the metrics sink failed at activity_completed") == 1
    assert page.value("worker_exits_total", kind="crashed") == 0
    running.worker_in(WorkerState.IDLE)
    began = time.monotonic()
    assert running.send(signal.SIGTERM).exit_code() == 0
    # A sink that hangs is waited for, two seconds and no more.
    assert time.monotonic() - began < 8
