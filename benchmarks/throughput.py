"""No-op activities through two workers, against two bare processes that only call the same script."""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Sequence

from benchmarks import bare, huey_peer
from benchmarks.findings import Finding, run, tell
from benchmarks.rig import Queue, Rig, Supervised, until

_FIRST, _LAST = 0.1, 0.95


def rate_of(queue: Queue, count: int) -> float:
    """Activities a second over the middle of a backlog: neither the first claims nor the last one's wait count."""
    before = queue.completed()
    queue.pause()
    queue.fill(count)
    queue.resume()
    first, began = _when(queue, before + count * _FIRST)
    last, ended = _when(queue, before + count * _LAST)
    until(lambda: queue.completed() >= before + count, 30, "the end of the backlog")
    return (last - first) / (ended - began)


def _when(queue: Queue, many: float) -> tuple[int, float]:
    while True:
        completed = queue.completed()
        if completed >= many:
            return completed, time.monotonic()
        # Ours is one more client of the server: asked seldom, it costs nothing that counts.
        time.sleep(0.005)


def measure(arguments: argparse.Namespace) -> Sequence[Finding]:
    """Interleaved: bare, one at a time, batches, Huey, and again."""
    rates: dict[str, list[float]] = {}
    with Rig(durable=arguments.durable) as rig:
        single = rig.supervise(rig.queue(), "--claim-limit", "1")
        batched = rig.supervise(rig.queue())
        runs: dict[str, Callable[[], float]] = {
            "bare loop": lambda: _bare(rig, arguments.count),
            "one at a time": lambda: _rate(single, arguments.count),
            "batches": lambda: _rate(batched, arguments.count * 2),
        }
        if huey_peer.is_there() and not arguments.without_huey:
            producer = huey_peer.Producer(rig)
            runs["Huey"] = lambda: _huey(rig, producer, arguments.count // 2)
        else:
            tell("Huey is not compared: it is not installed, or not wanted")
        for repetition in range(arguments.repetitions):
            for name, rate in runs.items():
                rates.setdefault(name, []).append(rate())
            shown = ", ".join(f"{name} {values[-1]:,.0f}/s" for name, values in rates.items())
            tell(f"  repetition {repetition + 1}: {shown}")
    middle = {name: statistics.median(values) for name, values in rates.items()}
    return _findings(rates, middle)


def _findings(rates: dict[str, list[float]], middle: dict[str, float]) -> list[Finding]:
    def ratio(name: str, to: str) -> float:
        return statistics.median([one / other for one, other in zip(rates[name], rates[to], strict=True)])

    findings = [
        Finding(
            name="one at a time / bare loop", figure=ratio("one at a time", "bare loop"), unit="x", goal=0.6, at="least"
        ),
        Finding(name="batches / bare loop", figure=ratio("batches", "bare loop"), unit="x", goal=2, at="least"),
    ]
    if "Huey" in rates:
        findings.append(Finding(name="batches / Huey", figure=ratio("batches", "Huey"), unit="x", goal=5, at="least"))
    return findings + [Finding(name=f"{name}, no-ops", figure=rate, unit="/s") for name, rate in middle.items()]


def _bare(rig: Rig, count: int) -> float:
    queue = rig.queue()
    queue.fill(count)
    return bare.cycle_rate(rig.url, queue)


def _rate(supervised: Supervised, count: int) -> float:
    return rate_of(supervised.queue, count)


def _huey(rig: Rig, producer: huey_peer.Producer, count: int) -> float:
    producer.enqueue(count)
    with huey_peer.consumer(rig, workers=2):
        return producer.drain_rate(count)


def options() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.throughput", description=__doc__)
    parser.add_argument("--count", type=int, default=15_000, help="activities a repetition")
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--durable", action="store_true", help="the server writes its append-only file")
    parser.add_argument("--without-huey", action="store_true")
    return parser


if __name__ == "__main__":
    run("throughput", options().parse_args(), measure)
