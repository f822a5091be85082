"""The class that users derive their handlers from."""

from __future__ import annotations

from collections.abc import Coroutine
from datetime import timedelta
from typing import Any, ClassVar, Generic

from typing_extensions import TypeVar

from rrqmp.handling.context import ActivityContext
from rrqmp.handling.worker_facts import WorkerInfo
from rrqmp.model.activity_type import ActivityType
from rrqmp.model.retry import RetryPolicy

P = TypeVar("P", default=Any)
R = TypeVar("R", default=Any)


class ActivityHandler(Generic[P, R]):
    """Runs activities of one type, one at a time in each worker; made once per worker, after the fork.

    The attributes are read from the class, never from an instance; `None` inherits. `retry_on`, if not empty, names
    the only exceptions that are tried again; `non_retryable` those that never are. At `soft_timeout` the handler gets a
    `SoftTimeout`, at `timeout` its process is killed.
    """

    activity_type: ClassVar[str | ActivityType[Any, Any] | None] = None
    timeout: ClassVar[float | timedelta | None] = None
    soft_timeout: ClassVar[float | timedelta | None] = None
    setup_timeout: ClassVar[float | timedelta | None] = None
    max_retries: ClassVar[int | None] = None
    retry: ClassVar[RetryPolicy | None] = None
    retry_on: ClassVar[tuple[type[BaseException], ...]] = ()
    non_retryable: ClassVar[tuple[type[BaseException], ...]] = ()

    def setup(self, worker: WorkerInfo) -> Any:
        """Is called once in each worker before this type's first activity, for at most `setup_timeout` (120 s).

        It costs no attempt: where it fails the activity goes back, and this type waits longer each time.
        """

    def teardown(self) -> Any:
        """Is called when a worker that was set up leaves; killed with the process after two seconds."""

    def handle(self, payload: P, context: ActivityContext[Any]) -> R | Coroutine[Any, Any, R]:
        """Does the work; its value is the result. May be `async def`, which gives no concurrency."""
        raise NotImplementedError

    def on_dead_letter(self, payload: P, context: ActivityContext[Any], error: BaseException) -> Any:
        """Is called once when the activity has failed for good; what it raises is logged."""
