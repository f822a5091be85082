"""`OpenTelemetryMetrics`: what workers count, as a collector gets it when they leave."""

from __future__ import annotations

import signal

import pytest

from tests.processes.conftest import Supervise
from tests.processes.harness import Queue
from tests.telemetry.collector import Collector
from tests.telemetry.scraping import APPS


@pytest.mark.once
def test_counts_and_durations_reach_the_collector_when_a_worker_leaves(
    supervise: Supervise, queue: Queue, collector: Collector
) -> None:
    running = supervise(app="metered:engine", app_dir=APPS, workers=1, environment=collector.environment)
    queue.all_ended(queue.submit_many("echo", range(3)))
    assert running.send(signal.SIGTERM).exit_code() == 0
    [completed] = collector.metrics["rrqmp.activity.completed"]
    assert completed.as_int == 3
    attributes = {pair.key: pair.value.string_value for pair in completed.attributes}
    assert attributes == {"messaging.destination.name": queue.keys.queue, "rrqmp.activity.type": "echo"}
    for name in ("rrqmp.activity.execution", "rrqmp.activity.queue_wait"):
        [duration] = collector.metrics[name]
        assert duration.count == 3
        assert duration.explicit_bounds[0] == 0.001
