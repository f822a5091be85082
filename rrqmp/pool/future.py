"""The future of one call: the standard library's own, which also knows its activity."""

from __future__ import annotations

from concurrent.futures import Future
from contextlib import AbstractContextManager, nullcontext
from typing import Any, TypeVar

from rrqmp.client.blocked_slot import Blocked

T = TypeVar("T")


class PoolFuture(Future[T]):
    """`activity_id` is what `rrqmp show` wants; `what` names the call in messages.

    It counts as running from when the call was handed over, a little before a worker begins with it; until then it
    can be cancelled.
    """

    def __init__(self, activity_id: str, what: str, *, on_shared_workers: bool) -> None:
        super().__init__()
        self.activity_id = activity_id
        self.what = what
        # Workers of a pool's own are as many as were asked for: one that waits for them takes nobody's place.
        self._on_shared_workers = on_shared_workers

    def result(self, timeout: float | None = None) -> T:
        """As the standard library's; inside a worker the supervisor puts another in its place meanwhile."""
        with self._blocked():
            return super().result(timeout)

    def exception(self, timeout: float | None = None) -> BaseException | None:
        """As the standard library's; inside a worker the supervisor puts another in its place meanwhile."""
        with self._blocked():
            return super().exception(timeout)

    def _blocked(self) -> AbstractContextManager[Any]:
        return Blocked() if self._on_shared_workers and not self.done() else nullcontext()
