"""One request in the supervisor, from its frame to its one answer."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final, Protocol

from rrqmp.runner.messages import WireRequest
from rrqmp.shared_state.board import ID_BYTES, TYPE_BYTES_MOST
from rrqmp.shared_state.messages import Job
from rrqmp.supervisor.worker_handle import WorkerHandle

# The orchestrator's own timer fires at the deadline; whoever loses that race has its runner killed. What stands between
# the order and the orchestrator's reading of the answer grows with the load of the machine, so who has time gives more.
_AHEAD_LEAST: Final = 0.05
_AHEAD_SHARE: Final = 0.1
_AHEAD_MOST: Final = 0.25
# A deadline further away than this is none: the board's words hold nanoseconds.
_LONGEST_SECONDS: Final = 30 * 86_400.0
_NS: Final = 1e9


class TicketStage(StrEnum):
    """Where a request is; only forward, but that a worker which never began it gives it back."""

    QUEUED = "queued"
    RUNNING = "running"
    CONDEMNED = "condemned"
    ANSWERED = "answered"


class Client(Protocol):
    """The connection that a request came by."""

    @property
    def congested(self) -> bool: ...

    def answer(self, ticket: Ticket, body: bytes, *, at_once: bool = False) -> None: ...


@dataclass(frozen=True, slots=True)
class Deadline:
    """When an attempt must have been answered: a little before the orchestrator's own deadline.

    `ns` is monotonic; `ahead` is by how many seconds it comes before the orchestrator's.
    """

    ns: int
    ahead: float

    @classmethod
    def read(cls, deadline: datetime | None) -> Deadline | None:
        """Out of a request; `None` if it has passed."""
        now = time.monotonic_ns()
        if deadline is None:
            return cls(now + round(_LONGEST_SECONDS * _NS), 0.0)
        left = min((deadline - datetime.now(UTC)).total_seconds(), _LONGEST_SECONDS)
        if left <= 0:
            return None
        ahead = min(max(_AHEAD_LEAST, min(left * _AHEAD_SHARE, _AHEAD_MOST)), left / 2)
        return cls(now + round((left - ahead) * _NS), ahead)


@dataclass(slots=True, eq=False)
class Ticket:
    """`body` is the frame's, for the worker. `refusal` is what will be answered once its process is dead."""

    number: int
    client: Client
    request: WireRequest
    body: bytes
    deadline: Deadline
    stage: TicketStage = TicketStage.QUEUED
    worker: WorkerHandle | None = None
    refusal: bytes = b""
    # Workers that died before they had begun it.
    returned: int = 0
    # `job` or `request`, as the cancel named it.
    cancelled_by: str = ""
    given_ns: int = 0
    arrived_ns: int = field(default_factory=time.monotonic_ns)
    timer: asyncio.TimerHandle | None = None

    @property
    def waits(self) -> bool:
        """Whether a worker may still be given it."""
        return self.stage is TicketStage.QUEUED

    @property
    def is_condemned(self) -> bool:
        """Whether its process is being killed, and nobody has answered yet."""
        return self.stage is TicketStage.CONDEMNED

    def job(self, inline: bytes, waiting: int) -> Job:
        """What its worker is sent. Names as long as the board's: whatever a stranger calls a job, it is one packet."""
        request = self.request
        return Job(
            number=self.number,
            activity_id=request.job_id[:ID_BYTES],
            activity_type=request.function_name[:TYPE_BYTES_MOST],
            attempt=request.context.attempt,
            deadline_ns=self.deadline.ns,
            waiting=waiting,
            body=inline,
        )

    def close(self) -> None:
        """It has been answered, or nobody wants its answer any more."""
        self.stage = TicketStage.ANSWERED
        # It may lie in the queue for a while yet.
        self.body = b""
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None
