"""What a worker counts: one call an ending, to a sink that cannot change the outcome."""

from __future__ import annotations

from typing import Final

from rrqmp.model.attempt import AttemptKind
from rrqmp.telemetry.sink import GuardedMetrics, MetricName, MetricsSink

_NS: Final = 1e9
_BROKEN: Final = {
    AttemptKind.TIMED_OUT: MetricName.TIMEOUT,
    AttemptKind.CRASHED: MetricName.CRASHED,
    AttemptKind.OUT_OF_MEMORY: MetricName.OUT_OF_MEMORY,
    AttemptKind.CANCELLED: MetricName.CANCELLED,
}


class AttemptMetrics:
    """Counts endings; without a sink every call is a test and a return."""

    def __init__(self, sink: MetricsSink | None) -> None:
        self._sink = GuardedMetrics(sink) if sink is not None else None

    def completed(self, queue: str, activity_type: str, run_ns: int) -> None:
        """A handler returned."""
        if self._sink is not None:
            attributes = {"queue": queue, "type": activity_type}
            self._sink.inc_counter(MetricName.COMPLETED, 1, attributes)
            self._sink.observe_duration(MetricName.EXECUTION, run_ns / _NS, attributes)

    def failed(self, queue: str, activity_type: str, run_ns: int, *, again: bool) -> None:
        """A handler raised."""
        if self._sink is not None:
            attributes = {"queue": queue, "type": activity_type}
            self._sink.inc_counter(MetricName.RETRY if again else MetricName.FAILED_NON_RETRY, 1, attributes)
            self._sink.observe_duration(MetricName.EXECUTION, run_ns / _NS, attributes)

    def broken(self, queue: str, activity_type: str, kind: AttemptKind, run_seconds: float) -> None:
        """A process died under its handler; counted by the successor."""
        name = _BROKEN.get(kind)
        if self._sink is not None and name is not None:
            attributes = {"queue": queue, "type": activity_type}
            self._sink.inc_counter(name, 1, attributes)
            self._sink.observe_duration(MetricName.EXECUTION, run_seconds, attributes)

    def dead_letter(self, queue: str, activity_type: str) -> None:
        """An activity became a dead letter."""
        if self._sink is not None:
            self._sink.inc_counter(MetricName.DEAD_LETTER, 1, {"queue": queue, "type": activity_type})
