"""A context for calling a handler by hand: no queue, no worker, no deadline that kills."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import timedelta

from rrqmp.client.executor import ActivityExecutor
from rrqmp.client.submitter import DEFAULT_QUEUE, Submitter
from rrqmp.errors import ConfigurationError
from rrqmp.handling.context import ActivityContext, NoSignals
from rrqmp.model.ids import new_activity_id
from rrqmp.model.options import check_metadata
from rrqmp.model.units import check_seconds


class Told(NoSignals):
    """What the handler would hear from its supervisor; checkpoints and progress stay here."""

    def __init__(self, *, cancelled: bool, stopping: bool) -> None:
        super().__init__()
        self._cancelled = cancelled
        self._stopping = stopping

    def cancelled(self) -> bool:
        """Whether the test says so."""
        return self._cancelled

    def stopping(self) -> bool:
        """Whether the test says so."""
        return self._stopping


def context(
    activity_type: str = "activity",
    *,
    activity_id: str | None = None,
    queue_name: str | None = None,
    attempt: int = 1,
    retry_count: int | None = None,
    metadata: Mapping[str, str] | None = None,
    timeout: float | timedelta = 300.0,
    cancelled: bool = False,
    stopping: bool = False,
    executor: ActivityExecutor | None = None,
) -> ActivityContext:
    """A context as a worker would make it: `Thumbnail().handle(job, context(attempt=2))`.

    `timeout` says what `time_remaining()` counts down from, and nothing is killed at its end. `executor` is what
    `activity_executor` submits with, as a child of this activity: any executor, where a fixture has the place of Redis.
    """
    seconds = check_seconds(timeout, "timeout")
    number: object = attempt
    if not isinstance(number, int) or number < 1:
        raise ConfigurationError(f"attempt is {attempt!r}: give 1 or more")
    if executor is not None and not isinstance(executor, Submitter):
        raise ConfigurationError(f"executor is {executor!r}: give an ActivityExecutor")
    made: ActivityContext = ActivityContext(
        activity_id or new_activity_id(),
        activity_type,
        queue_name=queue_name or (executor.queue_name if executor is not None else DEFAULT_QUEUE),
        attempt=attempt,
        deadline=time.monotonic_ns() + round(seconds * 1e9),
        signals=Told(cancelled=cancelled, stopping=stopping),
        metadata=None if metadata is None else check_metadata(metadata),
        retry_count=retry_count,
    )
    if executor is not None:
        made._open_executor = lambda: executor
    return made
