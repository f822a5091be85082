"""The RRQ runner behind the real orchestrator beside RRQ's own Python runner: no-ops, processor work, timeouts."""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.findings import Finding, run, tell
from benchmarks.rig import until
from rrqmp.store.embedded import EmbeddedServer
from tests.processes.harness import is_alive
from tests.runner.harness import free_port, runner_command, running
from tests.runner.orchestrator import Jobs, Orchestrator, orchestrated, rrq_command, rrqmp_command

_QUEUE = "rrq:queue:default"
_FIRST, _LAST = 0.9, 0.1
_PATIENCE = 60.0


@dataclass
class Side:
    """One kind of runner, and what its figures are called."""

    name: str
    command: list[str]
    pool_size: int


@contextmanager
def server(folder: Path) -> Iterator[str]:
    """A server that listens at a port, in memory."""
    port = free_port()
    with EmbeddedServer(folder, options={"port": str(port), "bind": "127.0.0.1", "appendonly": "no"}):
        yield f"redis://127.0.0.1:{port}/0"


@contextmanager
def behind(side: Side, dsn: str, jobs: Jobs) -> Iterator[Orchestrator]:
    """An orchestrator with that runner, warm."""
    with tempfile.TemporaryDirectory() as folder:
        config = {"runner": {"pool_size": side.pool_size}, "default_poll_delay_seconds": 0.005}
        with orchestrated(Path(folder), dsn, side.command, **config) as one:
            for _ in range(20):
                jobs.enqueue("echo").ended()
            yield one


def backlog_rate(side: Side, dsn: str, jobs: Jobs, function: str, params: dict[str, object], count: int) -> float:
    """Jobs a second over the middle of a backlog that was there before the orchestrator."""
    for _ in range(count):
        jobs.enqueue(function, params, job_timeout_seconds=120)
    with tempfile.TemporaryDirectory() as folder:
        config = {"runner": {"pool_size": side.pool_size}, "default_poll_delay_seconds": 0.005}
        with orchestrated(Path(folder), dsn, side.command, **config):
            done_first, began = _when(jobs, count * _FIRST)
            done_last, ended = _when(jobs, count * _LAST)
            until(lambda: jobs.redis.zcard(_QUEUE) == 0, _PATIENCE, "the end of the backlog")
            time.sleep(0.2)
    if done_first == done_last:
        raise RuntimeError(f"{count} jobs were claimed at one look: give more of them")
    return (done_first - done_last) / (ended - began)


def _when(jobs: Jobs, left_most: float) -> tuple[int, float]:
    give_up = time.monotonic() + _PATIENCE
    while time.monotonic() < give_up:
        left = jobs.redis.zcard(_QUEUE)
        if left <= left_most:
            return left, time.monotonic()
        time.sleep(0.005)
    raise RuntimeError(f"{left} jobs are still waiting")


def batch_rate(side: Side, dsn: str, jobs: Jobs, seconds: float, count: int) -> float:
    """Jobs a second that burn processor time, from the first submission to the last result."""
    with behind(side, dsn, jobs):
        began = time.monotonic()
        submitted = [jobs.enqueue("burn", {"seconds": seconds}, job_timeout_seconds=120) for _ in range(count)]
        for job in submitted:
            job.ended()
        return count / (time.monotonic() - began)


def timeouts(side: Side, dsn: str, jobs: Jobs) -> tuple[int, int]:
    """Of ten jobs that take no time beside ten that hang in C: how many came through; and whether the process did."""
    with behind(side, dsn, jobs) as one:
        before = one.runners()
        stuck = [jobs.enqueue("asleep_in_c", job_timeout_seconds=1, max_retries=1) for _ in range(10)]
        stuck[0].in_status("ACTIVE")
        neighbours = [jobs.enqueue("echo", job_timeout_seconds=3, max_retries=1) for _ in range(10)]
        for job in stuck:
            job.ended()
        through = sum(job.ended()["status"] == "COMPLETED" for job in neighbours)
        time.sleep(0.5)
        return through, sum(not is_alive(pid) for pid in before)


def hops(count: int) -> list[float]:
    """Milliseconds from a request's bytes to its answer's, one at a time, without an orchestrator."""
    with (
        tempfile.TemporaryDirectory() as folder,
        running(runner_command("acts_of_runner:registry", "--workers", "2"), Path(folder)) as one,
    ):
        wire = one.wait_ready().connect()
        for number in range(50):
            wire.ask("echo", {"n": number})
        taken = []
        for number in range(count):
            began = time.perf_counter()
            wire.ask("echo", {"n": number})
            taken.append((time.perf_counter() - began) * 1000)
        return sorted(taken)


def measure(arguments: argparse.Namespace) -> Sequence[Finding]:
    """Interleaved: ours, theirs, and again."""
    cores = len(os.sched_getaffinity(0))
    ours = Side("rrqmp", rrqmp_command(workers=cores), 1)
    # At the priority that our workers run at, so that neither side has it easier beside other work.
    nicer = ["nice", "-n", "5", *rrq_command()]
    theirs = Side("rrq-runner", nicer, arguments.pool_size)
    alone = Side("rrq-runner, one process", nicer, 1)
    rates: dict[str, list[float]] = {}
    burns: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as folder, server(Path(folder)) as dsn, closing(Jobs(dsn)) as jobs:
        for repetition in range(arguments.repetitions):
            for side in (ours, theirs, alone):
                jobs.redis.flushdb()
                rates.setdefault(side.name, []).append(backlog_rate(side, dsn, jobs, "echo", {"n": 1}, arguments.count))
            for side in (ours, alone):
                jobs.redis.flushdb()
                burns.setdefault(side.name, []).append(batch_rate(side, dsn, jobs, 0.02, arguments.burns))
            shown = ", ".join(f"{name} {values[-1]:,.0f}/s" for name, values in rates.items())
            tell(f"  repetition {repetition + 1}: no-ops {shown}; 20 ms each: {_shown(burns)}")
        wide = Side("rrqmp", rrqmp_command(workers=12), 1)
        came = {side.name: timeouts(side, dsn, jobs) for side in (wide, alone)}
    taken = hops(arguments.hops)
    return _findings(rates, burns, came, taken, cores)


def _shown(values: dict[str, list[float]]) -> str:
    return ", ".join(f"{name} {found[-1]:,.0f}/s" for name, found in values.items())


def _findings(
    rates: dict[str, list[float]],
    burns: dict[str, list[float]],
    came: dict[str, tuple[int, int]],
    taken: list[float],
    cores: int,
) -> list[Finding]:
    def ratio(values: dict[str, list[float]], name: str, to: str) -> float:
        return statistics.median([one / other for one, other in zip(values[name], values[to], strict=True)])

    middle: Callable[[list[float]], float] = statistics.median
    found = [
        Finding(
            name="no-ops / rrq-runner", figure=ratio(rates, "rrqmp", "rrq-runner"), unit="x", goal=0.9, at="least"
        ),
        Finding(
            name=f"20 ms of work on {cores} cores / rrq-runner, one process",
            figure=ratio(burns, "rrqmp", "rrq-runner, one process"), unit="x", goal=0.85 * cores, at="least",
        ),
        Finding(name="protocol hop, p50", figure=taken[len(taken) // 2], unit="ms", goal=2, at="most"),
        Finding(name="protocol hop, p99", figure=taken[len(taken) * 99 // 100], unit="ms"),
    ]  # fmt: skip
    for name, (through, restarted) in came.items():
        mine = name == "rrqmp"
        found += [
            Finding(
                name=f"neighbours of 10 that hang in C, of 10, {name}",
                figure=through, unit="", goal=10 if mine else None, at="least",
            ),
            Finding(
                name=f"processes lost to them, {name}", figure=restarted, unit="", goal=0 if mine else None, at="most"
            ),
        ]  # fmt: skip
    found += [Finding(name=f"no-ops, {name}", figure=middle(values), unit="/s") for name, values in rates.items()]
    return found + [
        Finding(name=f"20 ms of work, {name}", figure=middle(values), unit="/s") for name, values in burns.items()
    ]


def options() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.runner", description=__doc__)
    parser.add_argument("--count", type=int, default=4000, help="no-ops a repetition")
    parser.add_argument("--burns", type=int, default=150, help="jobs of 20 ms a repetition")
    parser.add_argument("--hops", type=int, default=2000)
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--pool-size", type=int, default=2, help="processes of RRQ's own runner for the no-ops")
    return parser


if __name__ == "__main__":
    run("runner", options().parse_args(), measure)
