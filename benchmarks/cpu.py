"""CPU-bound activities of 20 ms on two workers, against the same work run bare in two processes."""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Iterable, Sequence
from typing import TypeAlias

import msgspec

from benchmarks.bare import spin_rate
from benchmarks.findings import Finding, run, tell
from benchmarks.rig import Queue, Rig, until
from benchmarks.spinning import rounds_for
from rrqmp.client.executor import ActivityExecutor

# Pid, start and end of one activity, in nanoseconds of the monotonic clock.
Run: TypeAlias = tuple[int, int, int]


def measure(arguments: argparse.Namespace) -> Sequence[Finding]:
    """Half of the bare work, ours, the other half: a drift of the machine falls on both."""
    shares, inside = [], []
    rounds = rounds_for(arguments.milliseconds)
    with Rig(durable=arguments.durable) as rig:
        queue = rig.queue()
        rig.supervise(queue)
        with rig.executor(queue) as executor:
            _ours(queue, executor, rounds, 10)
            for repetition in range(arguments.repetitions):
                before = spin_rate(rounds, arguments.count // 4)
                runs = _ours(queue, executor, rounds, arguments.count)
                after = spin_rate(rounds, arguments.count // 4)
                ours, bare = rate_of(runs), (before + after) / 2
                shares.append(100 * ours / bare)
                inside.append(100 * share_inside(runs))
                tell(f"  repetition {repetition + 1}: ours {ours:.1f}/s, bare {bare:.1f}/s ({before:.1f}, {after:.1f})")
    name = f"{arguments.milliseconds:g} ms activities"
    return [
        Finding(name=f"{name} / perfect", figure=statistics.median(shares), unit="%", goal=97, at="least"),
        # Of the workers' own time, so whatever slows both sides down drops out.
        Finding(name=f"{name}, time inside handlers", figure=statistics.median(inside), unit="%"),
    ]


def _ours(queue: Queue, executor: ActivityExecutor, rounds: int, count: int) -> list[Run]:
    before = queue.completed()
    futures = executor.execute_many("burn", [rounds] * count)
    # Nobody listens for results meanwhile: a client that is woken for each takes its time from the workers' cores.
    until(lambda: queue.completed() >= before + count, 60, "the last activity", step=0.05)
    return [msgspec.json.decode(future.record().result, type=Run) for future in futures]


def share_inside(runs: Iterable[Run]) -> float:
    """How much of the time from its first start to its last end each worker spent inside handlers, on the average."""
    spans: dict[int, list[Run]] = {}
    for one in runs:
        spans.setdefault(one[0], []).append(one)
    shares = [
        sum(ended - began for _, began, ended in mine)
        / (max(ended for *_, ended in mine) - min(began for _, began, _ in mine))
        for mine in spans.values()
    ]
    return statistics.mean(shares)


def rate_of(runs: Iterable[Run]) -> float:
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
    parser.add_argument("--count", type=int, default=48, help="activities a repetition")
    parser.add_argument("--repetitions", type=int, default=15)
    parser.add_argument("--durable", action="store_true", help="the server writes its append-only file")
    return parser


if __name__ == "__main__":
    run("cpu", options().parse_args(), measure)
