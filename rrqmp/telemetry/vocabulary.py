"""Every metric, once: its name for sinks, for Prometheus and for OpenTelemetry all come out of one line here."""

from __future__ import annotations

from enum import StrEnum
from typing import Final, Self

OTHER_TYPES: Final = "(other)"
# Upper bounds in seconds of both histograms: what takes a moment, and what takes an hour.
BOUNDS: Final = (
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0, 3600.0,
)  # fmt: skip


class Kind(StrEnum):
    """Counts only rise, durations are observed one by one in seconds, gauges are read when somebody asks."""

    COUNTER = "counter"
    DURATION = "histogram"
    GAUGE = "gauge"


class Callback(StrEnum):
    """An application's own code beside its handlers."""

    ON_WORKER_START = "on_worker_start"
    ON_WORKER_STOP = "on_worker_stop"
    SETUP = "setup"
    TEARDOWN = "teardown"
    ON_DEAD_LETTER = "on_dead_letter"


class MetricName(StrEnum):
    """The value is what a sink is called with. A name is public: changing one is a breaking change.

    What workers make goes to sinks too; the rest is the supervisor's own and stands only at its Prometheus endpoint.
    """

    kind: Kind
    labels: tuple[str, ...]
    help: str

    def __new__(cls, name: str, kind: Kind, labels: str, help_text: str) -> Self:
        """One line of the table; labels with spaces between."""
        line = str.__new__(cls, name)
        line._value_ = name
        line.kind, line.labels, line.help = kind, tuple(labels.split()), help_text
        return line

    COMPLETED = "activity_completed", Kind.COUNTER, "queue type", "Attempts whose handler returned"
    RETRY = "activity_retry", Kind.COUNTER, "queue type", "Attempts whose handler raised, to be tried again"
    FAILED_NON_RETRY = "activity_failed_non_retry", Kind.COUNTER, "queue type", "Attempts that raised for good"
    TIMEOUT = "activity_timeout", Kind.COUNTER, "queue type", "Attempts that ended at a time limit"
    CRASHED = "activity_crashed", Kind.COUNTER, "queue type", "Attempts whose process died under them"
    OUT_OF_MEMORY = "activity_out_of_memory", Kind.COUNTER, "queue type", "Attempts that were killed for their memory"
    CANCELLED = "activity_cancelled", Kind.COUNTER, "queue type", "Attempts that were ended by a cancel"
    RELEASED = "activity_released", Kind.COUNTER, "queue type", "Attempts that the handler gave back uncounted"
    DEAD_LETTER = "activity_dead_letter", Kind.COUNTER, "queue type", "Activities that became dead letters"
    EXECUTION = "activity_execution", Kind.DURATION, "queue type", "How long an attempt ran"
    QUEUE_WAIT = "activity_queue_wait", Kind.DURATION, "queue type", "From becoming ready to being claimed"

    CALLBACK_FAILURES = (
        "worker_callback_failures",
        Kind.COUNTER,
        "callback",
        "Calls of a hook or callback that raised, hung or died",
    )
    SINK_FAILURES = "worker_sink_failures", Kind.COUNTER, "", "Calls of a metrics sink that raised"
    SINK_DROPPED = "worker_sink_dropped", Kind.COUNTER, "", "Calls that a slow metrics sink never got"
    EXITS = "worker_exits", Kind.COUNTER, "kind", "Worker processes that ended, by what ended them"
    SLOTS = "worker_slots", Kind.GAUGE, "state", "Slots of this supervisor by what they do"
    DEPTH = "queue_depth", Kind.GAUGE, "queue state", "Activities of the queue by status"
    OLDEST_AGE = "queue_oldest_age_seconds", Kind.GAUGE, "queue", "How long the first in line has been ready"
    REDIS_UP = "redis_up", Kind.GAUGE, "", "Whether Redis answered this scrape"

    @property
    def prometheus(self) -> str:
        """As a query names it."""
        ending = {Kind.COUNTER: "_total", Kind.DURATION: "_seconds", Kind.GAUGE: ""}[self.kind]
        return f"rrqmp_{self.value}{ending}"

    @property
    def opentelemetry(self) -> str:
        """As an instrument is named, after OpenTelemetry's habit of dots between a thing and what it does."""
        return f"rrqmp.{self.value.replace('_', '.', 1)}"

    @property
    def goes_to_sinks(self) -> bool:
        """Whether workers make it."""
        return self.labels in (("queue", "type"), ("callback",))


ACTIVITY_COUNTERS: Final = tuple(
    name for name in MetricName if name.labels == ("queue", "type") and name.kind is Kind.COUNTER
)
ACTIVITY_DURATIONS: Final = tuple(name for name in MetricName if name.kind is Kind.DURATION)
# A sink is called with plain text.
BY_NAME: Final = {name.value: name for name in MetricName}
