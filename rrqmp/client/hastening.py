"""Has what a handler waits for put in front of what came after the handler's own activity.

Without it, families that are begun one after another would all wait for children that stand behind the next family, and
more of them than there may be extra workers would stand still for good. Asked again now and then: what is tried again
comes back with a place of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from threading import Thread
from time import monotonic
from typing import Any, Generic, TypeVar

from rrqmp.client.blocked_slot import AGAIN_SECONDS, hastened
from rrqmp.client.handle import ActivityHandle
from rrqmp.client.steps import Steps, run_steps
from rrqmp.errors import WorkerError
from rrqmp.store.calls.hasten import HASTEN_BITE, hasten

A = TypeVar("A")


class Hastening(Generic[A]):
    """One wait for many; `groups` are the futures by the side that asks for them."""

    def __init__(self, groups: Iterable[tuple[A, Sequence[ActivityHandle[Any]]]]) -> None:
        self._groups = list(groups)
        self._next_at = 0.0
        self._thread: Thread | None = None

    def due(self, queue: str, waiter: str) -> list[tuple[A, Steps[None]]]:
        """What to ask now of each side, for an activity of that queue; nothing if it was done a short time ago."""
        now = monotonic()
        if now < self._next_at:
            return []
        self._next_at = now + AGAIN_SECONDS / 2
        return [(asked, _asking(queue, waiter, handles)) for asked, handles in self._groups]

    def begin(self, run_of: Callable[[A], Callable[[Any], Any]], queue: str, waiter: str) -> None:
        """Asks in a thread of its own: while Redis is away a call takes longer than the wait may."""
        if self._thread is not None and self._thread.is_alive():
            return
        if due := self.due(queue, waiter):
            self._thread = Thread(target=_ask, args=(due, run_of), name="rrqmp-hastening", daemon=True)
            self._thread.start()


def _ask(due: list[tuple[A, Steps[None]]], run_of: Callable[[A], Callable[[Any], Any]]) -> None:
    for asked, steps in due:
        # Only a help: the wait itself goes on.
        with suppress(WorkerError):
            run_steps(run_of(asked), steps)
    hastened()


def _asking(queue: str, waiter: str, handles: Sequence[ActivityHandle[Any]]) -> Steps[None]:
    # Places in another queue cannot be compared.
    wanted = [handle for handle in handles if handle._ended is None and handle.keys.queue == queue]
    for start in range(0, len(wanted), HASTEN_BITE):
        bite = wanted[start : start + HASTEN_BITE]
        yield hasten(bite[0].keys, waiter, [handle.activity_id for handle in bite])
