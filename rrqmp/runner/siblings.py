"""Other processes of the same pool: an orchestrator starts `pool_size` runners, and each would use every CPU."""

from __future__ import annotations

import os
import time
from typing import Final

from rrqmp.kernel import proc
from rrqmp.kernel.cpus import usable_cpus
from rrqmp.runner.address import FLAG

# Started one after the other, gone one after the other: who is there is looked at anew while there is work.
_LOOK_SECONDS: Final = 2.0


def started_as() -> int:
    """The process that the orchestrator started: this one, or the wrapper above it that leads its group."""
    leader, above = os.getpgrp(), os.getpid()
    # An orchestrator gives each runner a group of its own; a leader that is no ancestor is somebody else's.
    while above > 1:
        if above == leader:
            return leader
        above = proc.parent(above)
    return os.getpid()


class Siblings:
    """Counts the children of one parent that were started as `member` was, but for the address."""

    def __init__(self, member: int, parent: int) -> None:
        self._like = _without_address(proc.command_line(member))
        self._parent = parent
        self._count = 1
        self._next_look = 0.0

    def count(self) -> int:
        """How many there are, `member` among them; at least 1."""
        now = time.monotonic()
        if now >= self._next_look:
            self._next_look = now + _LOOK_SECONDS
            lines = (proc.command_line(pid) for pid in proc.children(self._parent))
            self._count = max(1, sum(_without_address(line) == self._like for line in lines))
        return self._count


class Allowance:
    """How many workers may run at once: all, where their number was given; else this runner's share of the CPUs."""

    def __init__(self, siblings: Siblings, workers: int, *, given: bool) -> None:
        self._siblings = siblings
        self._workers = workers
        self._given = given
        self._cpus = usable_cpus().usable

    def __call__(self) -> int:
        """At least 1."""
        if self._given:
            return self._workers
        return max(1, min(self._workers, -(-self._cpus // self._siblings.count())))

    def warning(self) -> str:
        """What to say at the start, if anything: the pool runs more at once than the host has CPUs."""
        count = self._siblings.count()
        if not self._given or count * self._workers <= self._cpus:
            return ""
        return (
            f"{count} runners of this pool with {self._workers} workers each share {self._cpus} CPUs: give the "
            "orchestrator pool_size = 1 and max_in_flight = 64"
        )


def _without_address(line: str) -> str:
    words = line.split(" ")
    kept = [
        word
        for position, word in enumerate(words)
        if not word.startswith(FLAG) and not (position and words[position - 1] == FLAG)
    ]
    return " ".join(kept)
