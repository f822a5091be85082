"""Runs every benchmark, one after another, and prints one table."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Sequence
from typing import Any, Final

from benchmarks.findings import Finding, tell
from benchmarks.rig import ROOT

NAMES: Final = (
    "throughput", "hand_off", "cpu", "kills", "due", "backlog", "enqueue", "memory", "idle", "cancel", "cancel_races",
    "revive", "metrics", "pool", "runner",
)  # fmt: skip


def run_one(name: str, arguments: Sequence[str] = ()) -> list[Finding]:
    """The findings of one benchmark, out of its last line; what it says meanwhile is passed on."""
    command = [sys.executable, "-m", f"benchmarks.{name}", *arguments]
    last = ""
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if not line.startswith("{"):
                tell(line.rstrip())
            last = line
    if process.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with {process.returncode}")
    return [_finding(record) for record in json.loads(last)["findings"]]


def _finding(record: dict[str, Any]) -> Finding:
    del record["reached"]
    return Finding(**record)


def table(rows: Sequence[tuple[str, Finding]]) -> list[str]:
    """A Markdown table, as docs/benchmarks.md holds one."""
    lines = ["| benchmark | what | figure | goal | reached |", "|---|---|---|---|---|"]
    for name, found in rows:
        reached = {True: "yes", False: "**no**", None: ""}[found.reached]
        lines.append(f"| {name} | {found.name} | {found.figure_text()} | {found.goal_text()} | {reached} |")
    return lines


def main() -> None:
    """All, or those named on the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.all", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"only these of {', '.join(NAMES)}")
    wanted = parser.parse_args().names or NAMES
    unknown = set(wanted) - set(NAMES)
    if unknown:
        parser.error(f"there is no {', '.join(sorted(unknown))}; there are {', '.join(NAMES)}")
    rows: list[tuple[str, Finding]] = []
    for name in wanted:
        began = time.monotonic()
        tell(f"== {name}")
        rows += [(name, found) for found in run_one(name)]
        tell(f"   ({time.monotonic() - began:.0f} s)")
    tell("\n" + "\n".join(table(rows)))
    print(json.dumps({"unreached": [f"{name}: {found.name}" for name, found in rows if found.reached is False]}))


if __name__ == "__main__":
    main()
