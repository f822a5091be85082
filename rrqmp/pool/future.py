"""The future of one call: the standard library's own, which also knows its activity."""

from __future__ import annotations

from concurrent.futures import Future
from typing import TypeVar

T = TypeVar("T")


class PoolFuture(Future[T]):
    """`activity_id` is what `rrqmp show` wants; `what` names the call in messages.

    It counts as running from when the call was handed over, a little before a worker begins with it; until then it
    can be cancelled.
    """

    def __init__(self, activity_id: str, what: str) -> None:
        super().__init__()
        self.activity_id = activity_id
        self.what = what
