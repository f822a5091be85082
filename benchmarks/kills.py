"""How late a stuck handler dies after its deadline, and how soon its slot runs the next activity."""

from __future__ import annotations

import argparse
import os
import signal
import time
from collections.abc import Sequence
from typing import Final

from benchmarks.findings import Finding, percentile, run, spread, tell
from benchmarks.probe import Probe
from benchmarks.rig import Rig
from rrqmp.client.executor import ActivityExecutor

KINDS: Final = {"Python": "stuck_in_python", "C": "stuck_in_c"}
_TOGETHER: Final = 6
_TIMEOUT: Final = 0.15


class Bench:
    """One supervisor under test and the probe that its handlers report to."""

    def __init__(self, rig: Rig, probe: Probe, *settings: str, workers: int = 1, app: str = "apps") -> None:
        self.queue = rig.queue()
        self.supervised = rig.supervise(self.queue, *settings, workers=workers, app=f"benchmarks.{app}:engine")
        self.executor: ActivityExecutor = rig.executor(self.queue)
        self.probe = probe

    def __enter__(self) -> Bench:
        return self

    def __exit__(self, *_: object) -> None:
        self.executor.close()
        self.supervised.stop()

    def kill_one(self, kind: str) -> tuple[float, float]:
        """Lateness of one death, and from the death to the next handler's start on that slot; milliseconds."""
        self.executor.execute(kind, self.probe.address, timeout=_TIMEOUT, max_retries=0)
        stuck = self.probe.next()
        following = self.executor.execute("stamp", 1)
        died = self.probe.deaths([stuck])[0]
        return (died - stuck.deadline) / 1e6, (following.get_result(timeout=15) - died) / 1e6

    def kill_together(self, kind: str, many: int) -> float:
        """Lateness of the last of many whose deadlines fall together, in milliseconds."""
        expiry = time.monotonic() + _TIMEOUT + 0.05 * many
        stuck = []
        for _ in range(many):
            timeout = expiry - time.monotonic()
            self.executor.execute(kind, self.probe.address, timeout=timeout, max_retries=0)
            stuck.append(self.probe.next())
        died = self.probe.deaths(stuck)
        return max(when - one.deadline for when, one in zip(died, stuck, strict=True)) / 1e6

    def killed_by_a_stranger(self, kind: str) -> float:
        """From the SIGKILL of a worker to the start of its activity's second attempt, in milliseconds."""
        self.executor.execute(kind, self.probe.address, timeout=2 * _TIMEOUT, max_retries=0)
        first = self.probe.next()
        began = time.monotonic_ns()
        os.kill(first.pid, signal.SIGKILL)
        second = self.probe.next()
        # The second attempt ends at its deadline.
        self.probe.deaths([first, second])
        return (second.began - began) / 1e6


def measure(arguments: argparse.Namespace) -> Sequence[Finding]:
    """Alone and together, then the slot: a small application, a large one, a large one with a spare."""
    with Rig() as rig, Probe(rig.folder) as probe:
        return [*_small(rig, probe, arguments), *_together(rig, probe, arguments), *_large(rig, probe, arguments)]


def _small(rig: Rig, probe: Probe, arguments: argparse.Namespace) -> list[Finding]:
    findings, back = [], []
    with Bench(rig, probe, "--spares", "0") as bench:
        bench.kill_one("stuck_in_c")
        for language, kind in KINDS.items():
            measured = [bench.kill_one(kind) for _ in range(arguments.count)]
            late = [lateness for lateness, _ in measured]
            back += [slot for _, slot in measured]
            tell(f"  killed late in {language}, ms: {spread(late)}")
            findings.append(_finding(f"killed after the deadline in {language}, p99", late, 0.99, 20))
        again = [bench.killed_by_a_stranger("stuck_in_c") for _ in range(arguments.count // 4 + 1)]
    tell(f"  slot back, small application, ms: {spread(back)}")
    tell(f"  SIGKILL to second attempt, ms: {spread(again)}")
    findings.append(_finding("slot back, small application, p95", back, 0.95, 25))
    findings.append(_finding("worker killed by a stranger, runs again, p95", again, 0.95, 100))
    return findings


def _together(rig: Rig, probe: Probe, arguments: argparse.Namespace) -> list[Finding]:
    findings = []
    with Bench(rig, probe, "--spares", "0", workers=_TOGETHER) as bench:
        for language, kind in KINDS.items():
            late = [bench.kill_together(kind, _TOGETHER) for _ in range(max(1, arguments.count // 6))]
            tell(f"  last of {_TOGETHER} together in {language}, late by ms: {spread(late)}")
            findings.append(_finding(f"last of {_TOGETHER} together in {language}, p95", late, 0.95, 30))
    return findings


def _large(rig: Rig, probe: Probe, arguments: argparse.Namespace) -> list[Finding]:
    findings = []
    for spares, goal, name in (0, 25, "without a spare"), (1, 5, "with a spare"):
        with Bench(rig, probe, "--spares", str(spares), app="large_app") as bench:
            bench.kill_one("stuck_in_c")
            measured = [bench.kill_one("stuck_in_c") for _ in range(arguments.count)]
        back = [slot for _, slot in measured]
        tell(f"  slot back, 200 MiB application {name}, ms: {spread(back)}")
        findings.append(_finding(f"slot back, 200 MiB {name}, p95", back, 0.95, goal))
    return findings


def _finding(name: str, milliseconds: Sequence[float], share: float, goal: float) -> Finding:
    return Finding(name=name, figure=percentile(milliseconds, share), unit="ms", goal=goal)


def options() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.kills", description=__doc__)
    parser.add_argument("--count", type=int, default=30, help="kills of each kind")
    return parser


if __name__ == "__main__":
    run("kills", options().parse_args(), measure)
