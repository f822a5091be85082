"""Lateness of scheduled activities: due time to the handler's first line, on idle workers."""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from typing import Final

from benchmarks.findings import Finding, percentile, run, spread, tell
from benchmarks.rig import Queue, Rig, until
from rrqmp.model.ids import new_activity_id
from rrqmp.model.spec import Spec, join_spec
from rrqmp.store.calls.enqueue import Submission, enqueue
from rrqmp.store.calls.show import show

_FIRST_SECONDS: Final = 0.5


def measure(arguments: argparse.Namespace) -> Sequence[Finding]:
    """All submitted at once with due times far enough apart for the workers to sleep again in between."""
    with Rig() as rig:
        queue = rig.queue()
        rig.supervise(queue, workers=arguments.workers)
        late = _lateness(queue, arguments.count, arguments.apart)
    tell(f"  late by ms: {spread(late)}")
    return [
        Finding(name="due time to handler start, p99", figure=percentile(late, 0.99), unit="ms", goal=10),
        Finding(name="due time to handler start, p50", figure=percentile(late, 0.5), unit="ms"),
    ]


def _lateness(queue: Queue, count: int, apart: float) -> list[float]:
    first = time.time() + _FIRST_SECONDS
    due = {new_activity_id(): round((first + place * apart) * 1_000_000) for place in range(count)}
    spec = join_spec(Spec(), b"1")
    # By the store's own call: to the microsecond, where a client would give a delay from whenever the call arrives.
    for activity_id, at_us in due.items():
        submission = Submission(activity_id, "stamp_wall", spec, at_us=at_us)
        queue.connection.run(enqueue(queue.keys, queue.rules, [submission]))
    time.sleep(max(0.0, first + count * apart - time.time()))
    until(lambda: queue.completed() > count, 10, "the last of the scheduled")
    return [(_result(queue, activity_id) - at_us) / 1000 for activity_id, at_us in due.items()]


def _result(queue: Queue, activity_id: str) -> int:
    record = queue.connection.run(show(queue.keys, activity_id))
    if record is None:
        raise LookupError(f"{activity_id} is gone")
    return int(record.result)


def options() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.due", description=__doc__)
    parser.add_argument("--count", type=int, default=300, help="scheduled activities")
    parser.add_argument("--apart", type=float, default=0.04, help="seconds between two due times")
    parser.add_argument("--workers", type=int, default=2)
    return parser


if __name__ == "__main__":
    run("due", options().parse_args(), measure)
