"""What an application must offer to be fed with jobs by its supervisor, without a queue: bytes in, bytes out."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from rrqmp.handling.application import Application
from rrqmp.handling.context import Signals
from rrqmp.handling.invocation import Invoker


class Jobs(Protocol):
    """The handlers of one worker process, made after the fork."""

    @property
    def invoker(self) -> Invoker: ...

    def soft_limit(self, activity_type: str) -> float | None:
        """When the handler wants to be warned, in seconds; `None` for never."""

    def time_limit(self, activity_type: str) -> float | None:
        """The handler's own limit in seconds, `None` where the job's deadline is all there is."""

    def run(self, body: bytes, deadline_ns: int, waiting: int) -> bytes:
        """Runs one job and encodes its outcome; whatever the handler does, it raises nothing."""
        ...

    def tell(self, account: bytes) -> None:
        """Tells of a job that no worker ended; raises nothing."""

    def close(self) -> None:
        """Tears handlers down and sends what is still to be told."""


@runtime_checkable
class JobServer(Application, Protocol):
    """An application whose workers take jobs from their supervisor, such as a `rrqmp.runner.Registry`."""

    def open_jobs(self, signals: Signals) -> Jobs: ...
