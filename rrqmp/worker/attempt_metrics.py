"""What a worker counts: into the memory that the supervisor reads, and for the application's own sink."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from rrqmp.model.attempt import AttemptKind
from rrqmp.telemetry.delivery import Event, SinkCourier
from rrqmp.telemetry.shared_counts import CountsWriter
from rrqmp.telemetry.sink import MetricsSink
from rrqmp.telemetry.vocabulary import Callback, MetricName

_NS: Final = 1_000_000_000
_CLOSE_SECONDS: Final = 2.0
_NO_RUN: Final = -1
_BROKEN: Final = {
    AttemptKind.TIMED_OUT: MetricName.TIMEOUT,
    AttemptKind.CRASHED: MetricName.CRASHED,
    AttemptKind.OUT_OF_MEMORY: MetricName.OUT_OF_MEMORY,
    AttemptKind.CANCELLED: MetricName.CANCELLED,
}


class AttemptMetrics:
    """Counts what happens to attempts; with nobody to count for, every call is a test and a return.

    What has ended counts once it is settled, by `flush`: what dies with this process before that runs again.
    """

    def __init__(self, sink: MetricsSink | None, counts: CountsWriter | None = None) -> None:
        self._counts = counts
        self._courier = None if sink is None else SinkCourier(sink, self._sink_failed, self._sink_dropped)
        # Name, queue, type, and nanoseconds of a duration.
        self._unsettled: list[tuple[MetricName, str, str, int]] = []
        self._waits: list[Event] = []
        self.on = counts is not None or sink is not None

    def claimed(self, queue: str, activity_type: str, waited_us: int) -> None:
        """An activity is about to run; it has waited, however it ends."""
        if self._counts is not None:
            self._counts.observe(MetricName.QUEUE_WAIT, queue, activity_type, waited_us * 1000)
        if self._courier is not None:
            self._waits.append(_event(MetricName.QUEUE_WAIT, queue, activity_type, waited_us * 1000))

    def completed(self, queue: str, activity_type: str, run_ns: int) -> None:
        """A handler returned."""
        if self.on:
            self._unsettled.append((MetricName.COMPLETED, queue, activity_type, run_ns))

    def failed(self, queue: str, activity_type: str, run_ns: int, *, again: bool) -> None:
        """A handler raised."""
        if self.on:
            name = MetricName.RETRY if again else MetricName.FAILED_NON_RETRY
            self._unsettled.append((name, queue, activity_type, run_ns))

    def released(self, queue: str, activity_type: str, run_ns: int) -> None:
        """A handler gave its activity back."""
        if self.on:
            self._unsettled.append((MetricName.RELEASED, queue, activity_type, run_ns))

    def cancelled(self, queue: str, activity_type: str, run_ns: int) -> None:
        """A handler ended because its activity was cancelled."""
        if self.on:
            self._unsettled.append((MetricName.CANCELLED, queue, activity_type, run_ns))

    def broken(self, queue: str, activity_type: str, kind: AttemptKind, run_seconds: float) -> None:
        """A process died under its handler; counted by the successor."""
        name = _BROKEN.get(kind)
        if self.on and name is not None:
            self._unsettled.append((name, queue, activity_type, round(run_seconds * _NS)))

    def dead_letter(self, queue: str, activity_type: str) -> None:
        """An activity became a dead letter."""
        if self.on:
            self._unsettled.append((MetricName.DEAD_LETTER, queue, activity_type, _NO_RUN))

    def callback_failed(self, callback: Callback) -> None:
        """A hook or callback of the application raised; told at once: it may be the last that this worker does."""
        if self._counts is not None:
            self._counts.callback_failed(callback)
        if self._courier is not None:
            self._courier.send([Event(MetricName.CALLBACK_FAILURES, {"callback": callback.value}, 1)])

    def flush(self) -> None:
        """What has ended is settled: it counts."""
        if not self._unsettled:
            return
        settled, self._unsettled = self._unsettled, []
        if self._counts is not None:
            for name, queue, activity_type, run_ns in settled:
                self._counts.count(name, queue, activity_type)
                if run_ns != _NO_RUN:
                    self._counts.observe(MetricName.EXECUTION, queue, activity_type, run_ns)
        if self._courier is not None:
            waits, self._waits = self._waits, []
            self._courier.send(waits + [event for entry in settled for event in _events(*entry)])

    def close(self) -> None:
        """The worker leaves: the sink gets the rest, within two seconds."""
        self.flush()
        if self._courier is not None:
            self._courier.close(_CLOSE_SECONDS)

    def _sink_failed(self) -> None:
        if self._counts is not None:
            self._counts.sink_failed()

    def _sink_dropped(self, calls: int) -> None:
        if self._counts is not None:
            self._counts.sink_dropped(calls)


def _events(name: MetricName, queue: str, activity_type: str, run_ns: int) -> Iterator[Event]:
    yield Event(name, {"queue": queue, "type": activity_type}, 1)
    if run_ns != _NO_RUN:
        yield _event(MetricName.EXECUTION, queue, activity_type, run_ns)


def _event(name: MetricName, queue: str, activity_type: str, nanoseconds: int) -> Event:
    return Event(name, {"queue": queue, "type": activity_type}, None, nanoseconds / _NS)
