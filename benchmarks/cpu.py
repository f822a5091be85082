"""CPU-bound activities of 20 ms on two workers, against the same work run bare in two processes."""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Iterable, Sequence

from benchmarks.bare import spin_rate
from benchmarks.findings import Finding, run, tell
from benchmarks.rig import Rig
from benchmarks.spinning import rounds_for
from rrqmp.client.executor import ActivityExecutor


def measure(arguments: argparse.Namespace) -> Sequence[Finding]:
    """Half of the bare work, ours, the other half: a drift of the machine falls on both."""
    shares = []
    rounds = rounds_for(arguments.milliseconds)
    with Rig(durable=arguments.durable) as rig:
        queue = rig.queue()
        rig.supervise(queue)
        with rig.executor(queue) as executor:
            _ours(executor, rounds, 10)
            for repetition in range(arguments.repetitions):
                before = spin_rate(rounds, arguments.count // 4)
                ours = _ours(executor, rounds, arguments.count)
                after = spin_rate(rounds, arguments.count // 4)
                bare = (before + after) / 2
                shares.append(100 * ours / bare)
                tell(f"  repetition {repetition + 1}: ours {ours:.1f}/s, bare {bare:.1f}/s ({before:.1f}, {after:.1f})")
    share = statistics.median(shares)
    name = f"{arguments.milliseconds:g} ms activities / perfect"
    return [Finding(name=name, figure=share, unit="%", goal=97, at="least")]


def _ours(executor: ActivityExecutor, rounds: int, count: int) -> float:
    return rate_of(executor.execute_many("burn", [rounds] * count).results(timeout=60))


def rate_of(runs: Iterable[tuple[int, int, int]]) -> float:
    """Units a second out of who ran them from when to when: first start to last start of each worker, added up.

    So that the tail, where one worker has nothing left, does not count against either side.
    """
    starts: dict[int, list[int]] = {}
    for pid, began, _ in runs:
        starts.setdefault(pid, []).append(began)
    return sum((len(times) - 1) / ((max(times) - min(times)) / 1e9) for times in starts.values() if len(times) > 1)


def options() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.cpu", description=__doc__)
    parser.add_argument("--milliseconds", type=float, default=20, help="CPU time of one activity")
    parser.add_argument("--count", type=int, default=120, help="activities a repetition")
    parser.add_argument("--repetitions", type=int, default=7)
    parser.add_argument("--durable", action="store_true", help="the server writes its append-only file")
    return parser


if __name__ == "__main__":
    run("cpu", options().parse_args(), measure)
