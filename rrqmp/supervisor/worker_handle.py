"""The parent's view of a worker process, and of the slot that it fills: each names the other, so they stand together.

A slot is a place for one running activity, and outlives the processes that fill it.
"""

from __future__ import annotations

import os
import socket
import time
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from rrqmp.kernel import proc
from rrqmp.shared_state.board import KillReason, Page
from rrqmp.shared_state.exit_report import ExitReport

# What ends a process by its own doing: it died, or its deadline came. The rest was ordered for other reasons.
ITS_OWN_FAULT: Final = (KillReason.NONE, KillReason.TIMED_OUT)


class Stage(StrEnum):
    """How far a process is; only forward. A process that is `ready` and has no slot is a spare."""

    FORKING = "forking"
    STARTING = "starting"
    READY = "ready"
    LEAVING = "leaving"
    DEAD = "dead"


@dataclass(slots=True, eq=False)
class WorkerHandle:
    """One process, from the fork request to the reaping. `life` numbers all of them under one supervisor."""

    life: int
    page: Page
    channel: socket.socket
    dump: int
    generation: int
    stage: Stage = Stage.FORKING
    pid: int = 0
    pidfd: int = -1
    slot: Slot | None = None
    inc: int = 0
    # Why and when we ordered its death, and that SIGKILL has been sent: then no user code runs in it any more.
    ordered: KillReason = KillReason.NONE
    sentenced: bool = False
    wedged: bool = False
    # Where in its file the dump of its death begins: behind those that were only looked at.
    dumped_from: int = 0
    # When the signal of a soft limit goes out again, and after how long once more.
    soft_again_ns: int = 0
    soft_pause_ns: int = 0
    born: float = field(default_factory=time.monotonic)
    notes: list[str] = field(default_factory=list)

    @property
    def is_alive(self) -> bool:
        """Whether it has not been reaped; afterwards its page may be another's."""
        return self.stage is not Stage.DEAD

    @property
    def is_spare(self) -> bool:
        """Whether it may still be given a slot."""
        return self.slot is None and self.stage in (Stage.FORKING, Stage.STARTING, Stage.READY) and not self.sentenced

    def become(self, stage: Stage) -> None:
        """Moves forward; a word that comes late moves nothing back."""
        self.stage = max(self.stage, stage, key=list(Stage).index)

    def dump_target(self) -> str:
        """What the link of the worker's own dump descriptor must read."""
        return proc.descriptor_target(os.getpid(), self.dump)

    def close(self) -> None:
        """Closes what the supervisor holds of it."""
        self.channel.close()
        os.close(self.dump)
        if self.pidfd >= 0:
            os.close(self.pidfd)

    def __str__(self) -> str:
        place = f"slot {self.slot.number}" if self.slot else "spare"
        return f"{place} (pid {self.pid})"


@dataclass(slots=True)
class PendingReport:
    """A death that is not settled yet, and the page of the board that keeps it until then."""

    report: ExitReport
    page: Page | None
    since: float


class Tenure(StrEnum):
    """Whether a slot is to be filled. A slot beyond the ordinary ones closes once its process has left in order."""

    OPEN = "open"
    ONCE = "once"  # for one claim
    CLOSING = "closing"
    CLOSED = "closed"


@dataclass(slots=True, eq=False)
class Slot:
    """`inc` counts the processes that were given this slot under this boot; it is never used twice."""

    number: int
    tenure: Tenure = Tenure.OPEN
    inc: int = 0
    worker: WorkerHandle | None = None
    pending: PendingReport | None = None

    def vacated(self, *, in_order: bool) -> None:
        """Its process is gone. After any other end than an orderly one a successor has to speak for the slot first."""
        self.worker = None
        if in_order and self.tenure is not Tenure.OPEN:
            self.tenure = Tenure.CLOSED

    def next_inc(self) -> int:
        """The number of the process that is about to take this slot."""
        self.inc += 1
        return self.inc
