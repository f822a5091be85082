"""Calls of a user's telemetry code, by a thread of their own: what raises or hangs there changes no outcome.

The handler's thread only puts packets into a queue. What is not taken in time is dropped and counted, so a sink that
hangs costs a worker its metrics and nothing else.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from queue import SimpleQueue
from typing import Final, Generic, NamedTuple, TypeVar

from rrqmp.telemetry.sink import GuardedMetrics, MetricsSink

T = TypeVar("T")
# Packets that may wait: of a sink each holds what one batch of activities gave.
_WAITING_MOST: Final = 1000
_log: Final = logging.getLogger(__name__)


class Courier(Generic[T]):
    """Hands packets over in order. The thread starts with the first of them; `deliver` must not raise."""

    def __init__(self, what: str, deliver: Callable[[T], object]) -> None:
        self._what = what
        self._deliver = deliver
        self._waiting: SimpleQueue[tuple[T] | None] = SimpleQueue()
        self._last: Callable[[], object] | None = None
        self._thread: threading.Thread | None = None
        self._told = False
        self._since = time.monotonic()

    def send(self, packet: T) -> bool:
        """Takes it along and never waits; false where it had to be dropped."""
        if self._waiting.qsize() >= _WAITING_MOST:
            if not self._told:
                self._told = True
                _log.error(
                    "%s has not returned for %.1f s: what it does not take is dropped and counted",
                    self._what,
                    time.monotonic() - self._since,
                )
            return False
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="rrqmp-telemetry", daemon=True)
            self._thread.start()
        self._waiting.put((packet,))
        return True

    def close(self, last: Callable[[], object], seconds: float) -> None:
        """Delivers the rest, then calls `last`; waits no longer than that. Without a packet there is nothing to end."""
        if self._thread is not None:
            self._last = last
            self._waiting.put(None)
            self._thread.join(seconds)

    def _run(self) -> None:
        while (waiting := self._waiting.get()) is not None:
            self._since = time.monotonic()
            self._deliver(waiting[0])
        if self._last is not None:
            self._last()


class Event(NamedTuple):
    """One call: a count, or a duration in seconds where `value` is none."""

    name: str
    attributes: Mapping[str, str]
    value: int | None
    seconds: float = 0.0


class SinkCourier:
    """Hands events to a sink."""

    def __init__(self, sink: MetricsSink, on_failure: Callable[[], None], on_dropped: Callable[[int], None]) -> None:
        self._sink = sink
        self._guarded = GuardedMetrics(sink, on_failure)
        self._on_dropped = on_dropped
        self._courier: Courier[Sequence[Event]] = Courier("the metrics sink", self._deliver)

    def send(self, events: Sequence[Event]) -> None:
        """Takes them along; never waits."""
        if not self._courier.send(events):
            self._on_dropped(len(events))

    def close(self, seconds: float) -> None:
        """Gives the sink the rest and calls its `close`, if it has one; waits no longer than that."""
        self._courier.close(self._end, seconds)

    def _deliver(self, events: Sequence[Event]) -> None:
        for event in events:
            if event.value is None:
                self._guarded.observe_duration(event.name, event.seconds, event.attributes)
            else:
                self._guarded.inc_counter(event.name, event.value, event.attributes)

    def _end(self) -> None:
        close = getattr(self._sink, "close", None)
        if close is not None:
            self._guarded.call("close", close)
