"""Idle hand-off, enqueue to handler start, and enqueue to result, against a bare BLPOP between two Python processes."""

from __future__ import annotations

import argparse
import random
import statistics
import time
from collections.abc import Sequence

from benchmarks.bare import HandOff
from benchmarks.findings import Finding, run, spread, tell
from benchmarks.rig import Rig
from rrqmp.client.executor import ActivityExecutor


def measure(arguments: argparse.Namespace) -> Sequence[Finding]:
    """One of ours, one bare, one of ours: each after a pause, so that everybody sleeps."""
    starts, results, bare_ones = [], [], []
    with Rig(durable=arguments.durable) as rig:
        queue = rig.queue()
        rig.supervise(queue, workers=arguments.workers)
        bare = HandOff(rig.url.removeprefix("unix://"))
        with rig.executor(queue) as executor:
            for _ in range(arguments.count + 10):
                time.sleep(random.uniform(0.005, 0.015))
                start, result = _ours(executor)
                time.sleep(random.uniform(0.005, 0.015))
                starts.append(start)
                results.append(result)
                bare_ones.append(bare.once())
        bare.close()
    for name, values in ("hand-off", starts), ("result", results), ("bare BLPOP", bare_ones):
        tell(f"  {name}, ms: {spread(values[10:])}")
    middle = statistics.median(bare_ones[10:])
    return [
        Finding(name="hand-off / bare BLPOP, p50", figure=statistics.median(starts[10:]) / middle, unit="x", goal=2),
        Finding(
            name="enqueue to result / bare BLPOP, p50",
            figure=statistics.median(results[10:]) / middle,
            unit="x",
            goal=4,
        ),
        Finding(name="hand-off, p50", figure=statistics.median(starts[10:]), unit="ms"),
        Finding(name="enqueue to result, p50", figure=statistics.median(results[10:]), unit="ms"),
        Finding(name="bare BLPOP hand-off, p50", figure=middle, unit="ms"),
    ]


def _ours(executor: ActivityExecutor) -> tuple[float, float]:
    began = time.monotonic_ns()
    woke = executor.execute("stamp", 1).get_result(timeout=10)
    return (woke - began) / 1e6, (time.monotonic_ns() - began) / 1e6


def options() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.hand_off", description=__doc__)
    parser.add_argument("--count", type=int, default=400, help="hand-offs of each kind")
    parser.add_argument("--workers", type=int, default=2, help="idle workers")
    parser.add_argument("--durable", action="store_true", help="the server writes its append-only file")
    return parser


if __name__ == "__main__":
    run("hand_off", options().parse_args(), measure)
