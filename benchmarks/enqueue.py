"""Submissions a second of one client, one at a time and in bulk, against the bare script and against Huey."""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Sequence

from benchmarks import huey_peer
from benchmarks.findings import Finding, run, tell
from benchmarks.rig import Queue, Rig
from rrqmp.client.executor import ActivityExecutor
from rrqmp.model.ids import new_activity_id
from rrqmp.model.spec import Spec, join_spec
from rrqmp.store.calls.enqueue import Submission, enqueue


def measure(arguments: argparse.Namespace) -> Sequence[Finding]:
    """Interleaved: bare script, one at a time, bulk, Huey, and again; nobody serves what is submitted."""
    rates: dict[str, list[float]] = {}
    with Rig(durable=arguments.durable) as rig:
        queue = rig.queue()
        with rig.executor(queue) as executor:
            runs: dict[str, Callable[[], float]] = {
                "bare script": lambda: _bare(queue, arguments.count),
                "one at a time": lambda: _single(executor, arguments.count),
                "bulk": lambda: _bulk(executor, arguments.count * 5),
            }
            if huey_peer.is_there() and not arguments.without_huey:
                producer = huey_peer.Producer(rig)
                runs["Huey"] = lambda: producer.enqueue(arguments.count)
            else:
                tell("Huey is not compared: it is not installed, or not wanted")
            for repetition in range(arguments.repetitions):
                for name, rate in runs.items():
                    rates.setdefault(name, []).append(rate())
                shown = ", ".join(f"{name} {values[-1]:,.0f}/s" for name, values in rates.items())
                tell(f"  repetition {repetition + 1}: {shown}")
    return _findings(rates)


def _findings(rates: dict[str, list[float]]) -> list[Finding]:
    def ratio(name: str, to: str) -> float:
        return statistics.median([one / other for one, other in zip(rates[name], rates[to], strict=True)])

    middle = {name: statistics.median(values) for name, values in rates.items()}
    findings = [Finding(name="bulk", figure=middle["bulk"], unit="/s", goal=30_000, at="least")]
    if "Huey" in rates:
        single = ratio("one at a time", "Huey")
        findings.append(Finding(name="one at a time / Huey", figure=single, unit="x", goal=1, at="least"))
        findings.append(Finding(name="bulk / Huey", figure=ratio("bulk", "Huey"), unit="x", goal=2, at="least"))
        findings.append(Finding(name="Huey", figure=middle["Huey"], unit="/s"))
    findings.append(Finding(name="one at a time / bare script", figure=ratio("one at a time", "bare script"), unit="x"))
    findings.append(Finding(name="one at a time", figure=middle["one at a time"], unit="/s"))
    return findings


def _bare(queue: Queue, count: int) -> float:
    spec = join_spec(Spec(), b"1")
    # The ids are made before: what is left is the call alone.
    calls = [enqueue(queue.keys, queue.rules, (Submission(new_activity_id(), "noop", spec),)) for _ in range(count)]
    connection = queue.connection
    began = time.perf_counter()
    for call in calls:
        connection.run(call)
    return count / (time.perf_counter() - began)


def _single(executor: ActivityExecutor, count: int) -> float:
    began = time.perf_counter()
    for _ in range(count):
        executor.execute("noop", 1)
    return count / (time.perf_counter() - began)


def _bulk(executor: ActivityExecutor, count: int) -> float:
    payloads = [1] * count
    began = time.perf_counter()
    executor.execute_many("noop", payloads)
    return count / (time.perf_counter() - began)


def options() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.enqueue", description=__doc__)
    parser.add_argument("--count", type=int, default=4_000, help="submissions one at a time; five times that in bulk")
    parser.add_argument("--repetitions", type=int, default=7)
    parser.add_argument("--durable", action="store_true", help="the server writes its append-only file")
    parser.add_argument("--without-huey", action="store_true")
    return parser


if __name__ == "__main__":
    run("enqueue", options().parse_args(), measure)
