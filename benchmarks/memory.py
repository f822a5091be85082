"""Memory of idle workers after `import numpy`: proportional shares of all our processes, and of Huey's."""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

from benchmarks import huey_peer
from benchmarks.findings import Finding, run, tell
from benchmarks.rig import Rig, Supervised, until
from rrqmp.kernel import proc

_KIB_IN_MIB = 1024
# Huey with 8 processes and the same import when the goal was set.
_PEER_MIB = 112.0


def share_mib(pids: Iterable[int]) -> float:
    """Proportional set size: what is shared counts once over all that share it."""
    return sum(map(_share_kib, pids)) / _KIB_IN_MIB


def _share_kib(pid: int) -> int:
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1])
    return 0


def measure(arguments: argparse.Namespace) -> Sequence[Finding]:
    """Eight workers, four more, Huey with eight; each alone on the machine, since shares depend on the neighbours."""
    few, more = arguments.workers, arguments.workers + 4
    with Rig() as rig:
        ours = _ours(rig, few)
        larger = _ours(rig, more)
        peer = _huey(rig, few) if huey_peer.is_there() and not arguments.without_huey else None
    if peer is None:
        tell("Huey is not compared: it is not installed, or not wanted")
    each = (larger - ours) / (more - few)
    findings = [
        Finding(name=f"{few} idle workers with numpy", figure=ours, unit="MiB", goal=_PEER_MIB),
        Finding(name="each further worker", figure=each, unit="MiB", goal=4),
    ]
    if peer is not None:
        findings.append(Finding(name=f"{few} idle workers / Huey's", figure=ours / peer, unit="x", goal=1))
        findings.append(Finding(name=f"Huey, {few} idle workers with numpy", figure=peer, unit="MiB"))
    return findings


def _ours(rig: Rig, workers: int) -> float:
    supervised = rig.supervise(rig.queue(), app="benchmarks.numpy_app:engine", workers=workers)
    _settle(supervised, workers)
    parts = {"supervisor": [supervised.pid], "workers": supervised.workers()}
    rest = set(supervised.processes()) - {supervised.pid, *parts["workers"]}
    shown = ", ".join(f"{name} {share_mib(pids):.1f}" for name, pids in (parts | {"template": sorted(rest)}).items())
    total = share_mib(supervised.processes())
    tell(f"  {workers} workers: {total:.1f} MiB ({shown})")
    supervised.stop()
    return total


def _settle(supervised: Supervised, workers: int) -> None:
    until(lambda: len(supervised.workers()) == workers, 15, f"{workers} workers")
    time.sleep(1.0)


def _huey(rig: Rig, workers: int) -> float:
    producer = huey_peer.Producer(rig)
    producer.enqueue(1)
    with huey_peer.consumer(rig, workers, with_numpy=True) as pid:
        until(lambda: len(proc.descendants(pid)) >= workers and not producer.waiting(), 15, "Huey's workers")
        time.sleep(1.0)
        total = share_mib([pid, *proc.descendants(pid)])
    tell(f"  Huey, {workers} workers: {total:.1f} MiB")
    return total


def options() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.memory", description=__doc__)
    parser.add_argument("--workers", type=int, default=8)
    parser.add_argument("--without-huey", action="store_true")
    return parser


if __name__ == "__main__":
    run("memory", options().parse_args(), measure)
