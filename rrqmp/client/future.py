"""The blocking handle on one activity: its id, where it stands, its result. Any number of waits, from any thread."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta
from functools import partial
from queue import Empty, SimpleQueue
from time import monotonic
from typing import Any, Protocol, TypeVar, cast

from typing_extensions import TypeVar as DefaultedTypeVar

from rrqmp.client import blocked_slot
from rrqmp.client.handle import ActivityHandle
from rrqmp.client.hastening import Hastening
from rrqmp.client.steps import run_steps
from rrqmp.client.waiting_room import AnyHandle, Sink
from rrqmp.errors import StoreUnavailable
from rrqmp.model.activity import ActivityRecord
from rrqmp.model.progress import Progress
from rrqmp.model.status import ActivityStatus
from rrqmp.model.units import check_seconds
from rrqmp.store.script import Call

R_co = DefaultedTypeVar("R_co", covariant=True, default=Any)
R = TypeVar("R")


class Asked(Protocol):
    """What a future needs of the side that made it."""

    def run(self, call: Call[R]) -> R:
        """Runs a script call."""
        ...

    def expect(self, handles: Iterable[AnyHandle], sink: Sink) -> None:
        """Gives each to the sink once its activity has ended, at once if it has."""

    def forget(self, handles: Iterable[AnyHandle], sink: Sink) -> None:
        """Gives nothing more to the sink."""


class ActivityFuture(ActivityHandle[R_co]):
    """One accepted activity. `index` is its place in the batch it came from; `is_new` is false where a key was taken.

    Equal to no other future, also not to one of the same activity.
    """

    __slots__ = ()
    _asked: Asked

    def get_result(self, timeout: float | timedelta | None = None) -> R_co:
        """Blocks until the activity has ended and returns its result, which may be `None`.

        Raises `ResultTimeout` after `timeout` (the activity goes on), an `ActivityUnsuccessful` where there is no
        result, `ResultExpired` or `ActivityNotFound` where there is no record. May be called again, by any thread.
        """
        if self._ended is None:
            seconds = seconds_or_none(timeout)
            if not any(True for _ in completed_of((self,), seconds)):
                raise self._still_running(seconds)
        return cast(R_co, run_steps(self._asked.run, self._value()))

    def done(self) -> bool:
        """Whether the activity has ended, in whatever way; asks Redis unless that is known. Never waits for the end."""
        return run_steps(self._asked.run, self._asked_done())

    def cancel(self, grace: float | timedelta | None = None, *, children: bool = False) -> bool:
        """Asks for the end of the activity; whether it is cancelled, or will be unless it completes first.

        One that waits is gone at once. In one that runs the cancel token flips; after `grace` (the workers'
        `cancel_grace` where none is given, 0 for at once) its process is killed. `children` asks for the end of all
        that it has started, too. False where it had ended; raises `ActivityNotFound` for an unknown id. Never waits for
        the end.
        """
        return run_steps(self._asked.run, self._cancelling(grace, children=children))

    def status(self) -> ActivityStatus:
        """Asks where the activity stands now."""
        return self.record().status

    def progress(self) -> Progress | None:
        """Asks what the handler said last about how far it is, some tenths of a second ago; `None` if it never did."""
        return run_steps(self._asked.run, self._asked_progress())

    def record(self) -> ActivityRecord:
        """Asks for all that is kept of the activity: its attempts, its options, its times."""
        return run_steps(self._asked.run, self._asked_record())


def _run_of(asked: Asked) -> Callable[[Any], Any]:
    return asked.run


def seconds_or_none(timeout: float | timedelta | None) -> float | None:
    """How long to wait, 0 or more; `None` is without end."""
    return None if timeout is None else check_seconds(timeout, "timeout", least=0.0)


def completed_of(
    futures: Iterable[ActivityFuture[R_co]], timeout_seconds: float | None
) -> Iterator[ActivityFuture[R_co]]:
    """Yields each future when its activity has ended, in that order; ends early after the time."""
    asked_of: dict[int, tuple[Asked, list[ActivityFuture[R_co]]]] = {}
    for future in futures:
        asked_of.setdefault(id(future._asked), (future._asked, []))[1].append(future)
    ended: SimpleQueue[ActivityFuture[R_co]] = SimpleQueue()
    # One object, by which the waiting room knows it again.
    sink = ended.put
    deadline = None if timeout_seconds is None else monotonic() + timeout_seconds
    hastening = Hastening(asked_of.values())
    blocked = partial(hastening.begin, _run_of)
    try:
        for asked, group in asked_of.values():
            asked.expect(group, sink)
        for _ in range(sum(len(group) for _, group in asked_of.values())):
            left = None if deadline is None else max(0.0, deadline - monotonic())
            try:
                future = blocked_slot.take(ended, left, blocked)
            except Empty:
                return
            if future._ended is None:
                raise StoreUnavailable("the executor was closed while somebody waited for a result; ask a new one")
            yield future
    finally:
        for asked, group in asked_of.values():
            asked.forget(group, sink)
