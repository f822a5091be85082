"""What an application must offer to be fed with jobs by its supervisor, without a queue: bytes in, bytes out."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from rrqmp.handling.application import Application
from rrqmp.handling.context import Signals


class Jobs(Protocol):
    """The handlers of one worker process, made after the fork."""

    def time_limit(self, activity_type: str) -> float | None:
        """The handler's own limit in seconds, `None` where the job's deadline is all there is."""

    def run(self, body: bytes, deadline_ns: int, waiting: int) -> bytes:
        """Runs one job and encodes its outcome; whatever the handler does, it raises nothing."""

    def tell(self, account: bytes) -> None:
        """Tells of a job that no worker ended; raises nothing."""

    def close(self) -> None:
        """Sends what is still to be told, for a bounded time."""


@runtime_checkable
class JobServer(Application, Protocol):
    """An application whose workers take jobs from their supervisor, such as a `rrqmp.runner.Registry`."""

    def open_jobs(self, signals: Signals) -> Jobs: ...
