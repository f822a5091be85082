"""Calls of a user's metrics sink, by a thread of their own: a sink that raises or hangs changes no outcome.

The handler's thread only puts its events into a queue. What a sink does not take in time is dropped and counted, so a
sink that hangs costs a worker its metrics and nothing else.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from queue import SimpleQueue
from typing import Final, NamedTuple

from rrqmp.telemetry.sink import GuardedMetrics, MetricsSink

# Packets of events that may wait; each holds what one batch of activities gave.
_WAITING_MOST: Final = 1000
_log: Final = logging.getLogger(__name__)


class Event(NamedTuple):
    """One call: a count, or a duration in seconds where `value` is none."""

    name: str
    attributes: Mapping[str, str]
    value: int | None
    seconds: float = 0.0


class SinkCourier:
    """Hands events over in order. The thread starts with the first of them."""

    def __init__(self, sink: MetricsSink, on_failure: Callable[[], None], on_dropped: Callable[[int], None]) -> None:
        self._sink = sink
        self._guarded = GuardedMetrics(sink, on_failure)
        self._on_dropped = on_dropped
        self._waiting: SimpleQueue[Sequence[Event] | None] = SimpleQueue()
        self._thread: threading.Thread | None = None
        self._told = False
        self._since = time.monotonic()

    def send(self, events: Sequence[Event]) -> None:
        """Takes them along; never waits."""
        if self._waiting.qsize() >= _WAITING_MOST:
            self._on_dropped(len(events))
            if not self._told:
                self._told = True
                _log.error(
                    "the metrics sink has not returned for %.1f s: what it does not take is dropped and counted",
                    time.monotonic() - self._since,
                )
            return
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="rrqmp-metrics", daemon=True)
            self._thread.start()
        self._waiting.put(events)

    def close(self, seconds: float) -> None:
        """Gives the sink the rest and calls its `close`, if it has one; waits no longer than that."""
        if self._thread is not None:
            self._waiting.put(None)
            self._thread.join(seconds)

    def _run(self) -> None:
        while True:
            events = self._waiting.get()
            if events is None:
                break
            for event in events:
                self._since = time.monotonic()
                if event.value is None:
                    self._guarded.observe_duration(event.name, event.seconds, event.attributes)
                else:
                    self._guarded.inc_counter(event.name, event.value, event.attributes)
        close = getattr(self._sink, "close", None)
        if close is not None:
            self._guarded.call("close", close)
