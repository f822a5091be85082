"""How many CPUs this process may really use: its affinity, cut by the cgroup's quota."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class CpuBudget:
    """`usable` whole CPUs out of `present`; `limit` says what cut them: `affinity`, `cgroup quota` or nothing."""

    usable: int
    present: int
    limit: str


def usable_cpus(proc: Path = Path("/proc"), cgroup_mount: Path = Path("/sys/fs/cgroup")) -> CpuBudget:
    """Reads affinity and CPU quota (cgroup v2 and v1, every level up to the mount); at least 1."""
    present = os.cpu_count() or 1
    affinity = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else present
    quota = _cgroup_quota(proc, cgroup_mount)
    if quota is not None and math.ceil(quota) < affinity:
        return CpuBudget(max(1, math.ceil(quota)), present, "cgroup quota")
    return CpuBudget(max(1, affinity), present, "affinity" if affinity < present else "")


def _cgroup_quota(proc: Path, mount: Path) -> float | None:
    try:
        lines = (proc / "self" / "cgroup").read_text().splitlines()
    except OSError:
        return None
    quotas: list[float] = []
    for line in lines:
        hierarchy, controllers, path = line.split(":", 2)
        names = controllers.split(",")
        if hierarchy == "0" and not controllers:
            quotas += _up_to_mount((mount, mount / "unified"), path, _quota_v2)
        elif "cpu" in names:
            quotas += _up_to_mount((mount / controllers, mount / "cpu"), path, _quota_v1)
    return min(quotas, default=None)


def _up_to_mount(roots: tuple[Path, ...], path: str, read: _QuotaReader) -> list[float]:
    found: list[float] = []
    for root in roots:
        # In a container the path may be the host's and absent under the mount; the mount itself then is our group.
        folder = root / path.lstrip("/")
        for level in (folder, *folder.parents):
            quota = read(level)
            if quota is not None:
                found.append(quota)
            if level == root:
                break
    return found


class _QuotaReader:
    """Reads one cgroup folder's quota in CPUs, or `None`."""

    def __init__(self, names: tuple[str, ...]) -> None:
        self._names = names

    def __call__(self, folder: Path) -> float | None:
        try:
            words = " ".join((folder / name).read_text().strip() for name in self._names).split()
            quota, period = words[0], words[1]
            return None if quota in ("max", "-1") else int(quota) / int(period)
        except (OSError, ValueError, IndexError, ZeroDivisionError):
            return None


_quota_v2 = _QuotaReader(("cpu.max",))
_quota_v1 = _QuotaReader(("cpu.cfs_quota_us", "cpu.cfs_period_us"))
