"""The class that users derive their handlers from."""

from __future__ import annotations

from collections.abc import Coroutine
from datetime import timedelta
from typing import Any, ClassVar, Generic

from typing_extensions import TypeVar

from rrqmp.handling.context import ActivityContext
from rrqmp.model.activity_type import ActivityType
from rrqmp.model.retry import RetryPolicy

P = TypeVar("P", default=Any)
R = TypeVar("R", default=Any)


class ActivityHandler(Generic[P, R]):
    """Runs activities of one type, one at a time in each worker; made once per worker, after the fork.

    The attributes are read from the class, never from an instance; `None` inherits. `retry_on`, if not empty, names
    the only exceptions that are tried again; `non_retryable` those that never are.
    """

    activity_type: ClassVar[str | ActivityType[Any, Any] | None] = None
    timeout: ClassVar[float | timedelta | None] = None
    max_retries: ClassVar[int | None] = None
    retry: ClassVar[RetryPolicy | None] = None
    retry_on: ClassVar[tuple[type[BaseException], ...]] = ()
    non_retryable: ClassVar[tuple[type[BaseException], ...]] = ()

    def handle(self, payload: P, context: ActivityContext[Any]) -> R | Coroutine[Any, Any, R]:
        """Does the work; its value is the result. May be `async def`, which gives no concurrency."""
        raise NotImplementedError

    def on_dead_letter(self, payload: P, context: ActivityContext[Any], error: BaseException) -> Any:
        """Is called once when the activity has failed for good; what it raises is logged."""
