"""A real supervisor's page: what workers counted, what died with them, what the queue and the slots hold."""

from __future__ import annotations

import os
import signal
from typing import Any

import pytest

from rrqmp.model.status import ActivityStatus
from rrqmp.store.calls.cancel import cancel
from tests.processes.conftest import Supervise
from tests.processes.harness import RULES, Queue, Supervised
from tests.telemetry.scraping import APPS, scraped


@pytest.fixture
def observed(supervise: Supervise) -> Any:
    """Starts a supervisor with a door."""

    def start(**options: object) -> Supervised:
        return supervise(**{"app": "counted:engine", "app_dir": APPS, "metrics_address": "127.0.0.1:0"} | options)

    return start


def test_every_ending_is_counted_by_queue_and_type(observed: Any, queue: Queue) -> None:
    running = observed()
    queue.all_ended([queue.submit(kind) for kind in ("echo", "echo", "again", "refuse")])
    # Apart from the others: what a batch has finished before a crash runs again, and has waited twice.
    queue.all_ended([queue.submit("die"), queue.submit("hang", timeout=0.1)])
    name = queue.keys.queue
    page = scraped(running, lambda page: page.value("activity_dead_letter_total", queue=name, type="die"))

    def count(metric: str, kind: str) -> float:
        return page.value(f"activity_{metric}_total", queue=name, type=kind)

    assert (count("completed", "echo"), count("completed", "again"), count("retry", "again")) == (2, 1, 1)
    assert (count("failed_non_retry", "refuse"), count("dead_letter", "refuse")) == (1, 1)
    assert (count("timeout", "hang"), count("dead_letter", "hang")) == (1, 1)
    assert count("crashed", "die") == 3
    assert page.value("activity_execution_seconds_count", queue=name, type="echo") == 2
    assert page.value("activity_execution_seconds_bucket", queue=name, type="hang", le="0.05") == 0
    assert page.value("activity_execution_seconds_bucket", queue=name, type="hang", le="+Inf") == 1
    assert 0.1 <= page.value("activity_execution_seconds_sum", queue=name, type="hang") < 2
    assert page.value("activity_queue_wait_seconds_count", queue=name, type="echo") == 2
    assert (page.value("worker_exits_total", kind="timed_out"), page.value("worker_exits_total", kind="crashed")) == (
        1,
        3,
    )


def test_cancelled_one_counts_as_that_whatever_its_handler_raised(observed: Any, queue: Queue) -> None:
    running = observed(workers=1)
    one = queue.submit("obey")
    queue.await_(one, lambda record: record.status is ActivityStatus.RUNNING)
    queue.store.run(cancel(queue.keys, RULES, one))
    queue.ended(one)
    page = scraped(running, lambda page: page.total("activity_cancelled_total", type="obey"))
    assert page.total("activity_cancelled_total", type="obey") == 1
    assert page.total("activity_dead_letter_total") == page.total("activity_failed_non_retry_total") == 0


def test_counts_outlive_their_workers_and_never_fall(observed: Any, queue: Queue) -> None:
    running = observed(workers=1)
    seen = 0.0
    for round_number in range(1, 4):
        queue.all_ended(queue.submit_many("echo", range(20)))
        queue.ended(queue.submit("hang", timeout=0.05))
        page = scraped(
            running, lambda page, wanted=round_number: page.total("activity_timeout_total", type="hang") == wanted
        )
        done = page.total("activity_completed_total", type="echo")
        assert done == 20 * round_number
        assert done >= seen
        seen = done
    assert page.value("worker_exits_total", kind="timed_out") == 3


def test_counts_go_on_under_a_new_template(observed: Any, queue: Queue) -> None:
    running = observed(workers=1)
    queue.ended(queue.submit("echo"))
    os.kill(running.template, signal.SIGKILL)
    running.logged("a new one is started")
    queue.ended(queue.submit("hang", timeout=0.05))
    queue.ended(queue.submit("echo"))
    page = scraped(running, lambda page: page.total("activity_completed_total", type="echo") == 2)
    assert page.total("activity_timeout_total", type="hang") == 1


def test_queue_and_slots_are_shown(observed: Any, queue: Queue) -> None:
    running = observed(workers=1)
    name = queue.keys.queue
    queue.submit("nap", 30)
    running.worker_in(5)
    queue.submit_many("echo", range(3))
    queue.submit("echo", delay=300)
    page = scraped(running, lambda page: page.value("queue_depth", queue=name, state="pending") == 3)
    assert page.value("queue_depth", queue=name, state="running") == 1
    assert page.value("queue_depth", queue=name, state="scheduled") == 1
    assert page.value("queue_depth", queue=name, state="dead_letter") == 0
    assert page.value("queue_oldest_age_seconds", queue=name) > 0
    assert (page.value("worker_slots", state="busy"), page.value("worker_slots", state="idle")) == (1, 0)
    assert page.value("redis_up") == 1
