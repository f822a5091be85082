"""What an idle supervisor costs: its share of a core, and how often it wakes."""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

from benchmarks.findings import Finding, run, tell
from benchmarks.rig import Rig


def cpu_ns(pid: int) -> int:
    """CPU time of all threads, to the nanosecond: the ticks of `stat` are as long as a second's worth of ours."""
    return sum(int(path.read_text().split()[0]) for path in Path(f"/proc/{pid}/task").glob("*/schedstat"))


def wakeups(pid: int) -> int:
    """How often its threads have gone to sleep of their own will."""
    count = 0
    for path in Path(f"/proc/{pid}/task").glob("*/status"):
        for line in path.read_text().splitlines():
            if line.startswith("voluntary_ctxt_switches:"):
                count += int(line.split()[1])
    return count


def measure(arguments: argparse.Namespace) -> Sequence[Finding]:
    """Supervisor, template and workers over the same seconds."""
    with Rig() as rig:
        supervised = rig.supervise(rig.queue(), workers=arguments.workers)
        time.sleep(1.0)
        workers = supervised.workers()
        template = set(supervised.processes()) - {supervised.pid, *workers}
        groups = {"supervisor": [supervised.pid], "template": sorted(template), "workers": workers}
        before = {name: _look(pids) for name, pids in groups.items()}
        began = time.monotonic()
        time.sleep(arguments.seconds)
        seconds = time.monotonic() - began
        shares = {}
        for name, pids in groups.items():
            cpu, woken = (after - former for after, former in zip(_look(pids), before[name], strict=True))
            shares[name] = 100 * cpu / 1e9 / seconds
            tell(f"  {name}: {shares[name]:.3f} % of a core, {woken / seconds:.1f} wake-ups a second")
    return [
        Finding(name="idle supervisor, share of a core", figure=shares["supervisor"], unit="%", goal=0.5),
        Finding(name=f"{arguments.workers} idle workers, share of a core", figure=shares["workers"], unit="%"),
    ]


def _look(pids: Iterable[int]) -> tuple[int, int]:
    known = list(pids)
    return sum(map(cpu_ns, known)), sum(map(wakeups, known))


def options() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.idle", description=__doc__)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--workers", type=int, default=8)
    return parser


if __name__ == "__main__":
    run("idle", options().parse_args(), measure)
