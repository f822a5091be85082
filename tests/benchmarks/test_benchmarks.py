"""Every benchmark runs in the smallest size and says its figures in its last line; how large they are is not asked."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.all import NAMES

ROOT = Path(__file__).resolve().parents[2]

CASES = {
    "throughput": (["--count", "600", "--repetitions", "1", "--without-huey"], "one at a time / bare loop"),
    "hand_off": (["--count", "5"], "hand-off / bare BLPOP, p50"),
    "cpu": (["--count", "8", "--repetitions", "1", "--milliseconds", "5"], "5 ms activities / perfect"),
    "kills": (["--count", "1"], "killed after the deadline in C, p99"),
    "due": (["--count", "5"], "due time to handler start, p99"),
    "backlog": (
        ["--long", "2000", "--short", "200", "--claims", "40", "--rounds", "1"],
        "claim rate, 2,000 waiting / 200, one a call",
    ),
    "enqueue": (["--count", "100", "--repetitions", "1", "--without-huey"], "one at a time / bare script"),
    "memory": (["--workers", "1", "--without-huey"], "1 idle workers with numpy"),
    "idle": (["--workers", "1", "--seconds", "0.2"], "idle supervisor, share of a core"),
    "cancel": (["--count", "2"], "hard cancel to the death, p99"),
    "metrics": (["--count", "300", "--repetitions", "1", "--kills", "2"], "a no-op with all off, worker"),
    "revive": (["--count", "250"], "revive all / bare script"),
    "pool": (["--count", "80", "--repetitions", "1"], "small calls / ProcessPoolExecutor"),
    "cancel_races": (["--count", "1600"], "activities that a cancel was not meant for"),
    "runner": (["--count", "600", "--burns", "4", "--hops", "20", "--repetitions", "1"], "protocol hop, p50"),
}


@pytest.mark.once
def test_all_of_them_are_run_described_and_tested() -> None:
    page = (ROOT / "docs" / "benchmarks.md").read_text(encoding="utf-8")
    described = re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE)
    assert sorted(described) == sorted(NAMES) == sorted(CASES)


@pytest.mark.once
@pytest.mark.parametrize("name", sorted(CASES))
def test_benchmark_runs_and_says_its_figure(name: str) -> None:
    arguments, wanted = CASES[name]
    command = [sys.executable, "-m", f"benchmarks.{name}", *arguments]

    ran = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=50, check=False)

    assert ran.returncode == 0, ran.stderr
    said = json.loads(ran.stdout.splitlines()[-1])
    assert said["benchmark"] == name
    figures = {found["name"]: found["figure"] for found in said["findings"]}
    assert figures[wanted] >= 0
