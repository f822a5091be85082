"""The CPU budget, read from files laid out as the kernel lays out /proc and the cgroup mount."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from rrqmp.kernel.cpus import usable_cpus

AFFINITY = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def lay_out(folder: Path, membership: str, files: dict[str, str]) -> tuple[Path, Path]:
    proc, mount = folder / "proc", folder / "cgroup"
    (proc / "self").mkdir(parents=True)
    (proc / "self" / "cgroup").write_text(membership)
    mount.mkdir()
    for name, content in files.items():
        (mount / name).parent.mkdir(parents=True, exist_ok=True)
        (mount / name).write_text(content)
    return proc, mount


def test_without_a_quota_the_affinity_counts(tmp_path: Path) -> None:
    budget = usable_cpus(*lay_out(tmp_path, "0::/a\n", {"a/cpu.max": "max 100000\n"}))
    assert budget.usable == AFFINITY
    assert budget.limit in ("", "affinity")


def test_without_proc_the_affinity_counts(tmp_path: Path) -> None:
    assert usable_cpus(tmp_path / "none", tmp_path / "none").usable == AFFINITY


@pytest.mark.skipif(AFFINITY < 2, reason="one CPU cannot be cut")
@pytest.mark.parametrize(
    ("membership", "files"),
    [
        ("0::/a/b\n", {"a/b/cpu.max": "100000 100000\n"}),
        ("0::/a/b\n", {"a/cpu.max": "50000 100000\n", "a/b/cpu.max": "max 100000\n"}),
        ("0::/../../host/path\n", {"cpu.max": "100000 100000\n"}),
        (
            "4:cpu,cpuacct:/x\n",
            {"cpu,cpuacct/x/cpu.cfs_quota_us": "100000", "cpu,cpuacct/x/cpu.cfs_period_us": "100000"},
        ),
        ("4:cpu:/x\n0::/\n", {"cpu/cpu.cfs_quota_us": "20000", "cpu/cpu.cfs_period_us": "100000"}),
    ],
    ids=["own group", "group above", "path of the host", "version 1", "version 1, group above"],
)
def test_quota_of_the_group_or_of_one_above_cuts_the_budget(
    tmp_path: Path, membership: str, files: dict[str, str]
) -> None:
    budget = usable_cpus(*lay_out(tmp_path, membership, files))
    assert (budget.usable, budget.limit) == (1, "cgroup quota")


@pytest.mark.parametrize("content", ["", "max", "100000 0", "many 100000"])
def test_foreign_words_in_the_quota_are_no_quota(tmp_path: Path, content: str) -> None:
    assert usable_cpus(*lay_out(tmp_path, "0::/\n", {"cpu.max": content})).limit != "cgroup quota"


@pytest.mark.skipif(AFFINITY < 2, reason="one CPU cannot be cut")
def test_part_of_a_cpu_counts_as_a_whole_one(tmp_path: Path) -> None:
    assert usable_cpus(*lay_out(tmp_path, "0::/\n", {"cpu.max": "10000 100000"})).usable == 1
