"""A cancel of a running activity: from the call to the handler's token, and by force to the death of its process."""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from typing import Final

from benchmarks.findings import Finding, percentile, run, spread, tell
from benchmarks.probe import Probe
from benchmarks.rig import Rig
from rrqmp.client.executor import ActivityExecutor

_LONG_SECONDS: Final = 60.0


def measure(arguments: argparse.Namespace) -> Sequence[Finding]:
    """Handlers that ask, then handlers stuck in Python and in C in turn."""
    with Rig() as rig, Probe(rig.folder) as probe:
        queue = rig.queue()
        rig.supervise(queue, "--spares", "0", workers=2)
        with rig.executor(queue) as executor:
            kinds = ("stuck_in_python", "stuck_in_c")
            heard = [_heard(executor, probe) for _ in range(arguments.count)]
            took = [_one(kinds[place % 2], executor, probe) for place in range(arguments.count)]
    tell(f"  from the call to the token, ms: {spread(heard)}")
    tell(f"  from the call to the death, ms: {spread(took)}")
    return [
        Finding(name="cancel to the handler's token, p99", figure=percentile(heard, 0.99), unit="ms", goal=20),
        Finding(name="cancel to the handler's token, p50", figure=percentile(heard, 0.5), unit="ms"),
        Finding(name="hard cancel to the death, p99", figure=percentile(took, 0.99), unit="ms", goal=20),
        Finding(name="hard cancel to the death, p50", figure=percentile(took, 0.5), unit="ms"),
    ]


def _heard(executor: ActivityExecutor, probe: Probe) -> float:
    future = executor.execute("heeds", probe.address, timeout=_LONG_SECONDS)
    probe.starts()
    began = time.monotonic_ns()
    future.cancel()
    heard = probe.starts()
    future.get_result(_LONG_SECONDS)
    return (heard - began) / 1e6


def _one(kind: str, executor: ActivityExecutor, probe: Probe) -> float:
    future = executor.execute(kind, probe.address, timeout=_LONG_SECONDS)
    stuck = probe.next()
    began = time.monotonic_ns()
    future.cancel(grace=0)
    return (probe.deaths([stuck])[0] - began) / 1e6


def options() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.cancel", description=__doc__)
    parser.add_argument("--count", type=int, default=60, help="cancels of each kind")
    return parser


if __name__ == "__main__":
    run("cancel", options().parse_args(), measure)
