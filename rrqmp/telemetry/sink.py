"""The border to a metrics system: two calls, made in the workers, by names that do not change."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from enum import StrEnum
from typing import Final, Protocol, runtime_checkable

_log: Final = logging.getLogger(__name__)


class MetricName(StrEnum):
    """Every name a sink is called with; counters first, then durations in seconds. A name is public."""

    COMPLETED = "activity_completed"
    RETRY = "activity_retry"
    FAILED_NON_RETRY = "activity_failed_non_retry"
    TIMEOUT = "activity_timeout"
    CRASHED = "activity_crashed"
    OUT_OF_MEMORY = "activity_out_of_memory"
    CANCELLED = "activity_cancelled"
    DEAD_LETTER = "activity_dead_letter"
    EXECUTION = "activity_execution"


@runtime_checkable
class MetricsSink(Protocol):
    """Takes counts and durations; `attributes` names `queue` and `type`. Called often: it must not block."""

    def inc_counter(self, name: str, value: int, attributes: Mapping[str, str]) -> None:
        """Adds `value` to the counter."""

    def observe_duration(self, name: str, seconds: float, attributes: Mapping[str, str]) -> None:
        """Notes one duration."""


class NoopMetrics(MetricsSink):
    """Takes everything and keeps nothing."""

    def inc_counter(self, name: str, value: int, attributes: Mapping[str, str]) -> None:
        """Keeps nothing."""

    def observe_duration(self, name: str, seconds: float, attributes: Mapping[str, str]) -> None:
        """Keeps nothing."""


class LoggingMetrics(MetricsSink):
    """Writes every call to a logger, at DEBUG unless told otherwise: for looking, not for production."""

    def __init__(self, logger: logging.Logger | None = None, level: int = logging.DEBUG) -> None:
        self._logger = logger or logging.getLogger("rrqmp.metrics")
        self._level = level

    def inc_counter(self, name: str, value: int, attributes: Mapping[str, str]) -> None:
        """Logs `name += value`."""
        self._logger.log(self._level, "%s += %d %s", name, value, dict(attributes))

    def observe_duration(self, name: str, seconds: float, attributes: Mapping[str, str]) -> None:
        """Logs `name = seconds`."""
        self._logger.log(self._level, "%s = %.6f s %s", name, seconds, dict(attributes))


class GuardedMetrics(MetricsSink):
    """Stands before a user's sink: what it raises is logged once a name and counted, and goes no further."""

    def __init__(self, sink: MetricsSink) -> None:
        self._sink = sink
        self._told: set[str] = set()
        self.failures = 0

    def inc_counter(self, name: str, value: int, attributes: Mapping[str, str]) -> None:
        """Passes the count on."""
        try:
            self._sink.inc_counter(name, value, attributes)
        except Exception as error:  # noqa: BLE001 - a user's sink may raise anything, and no outcome hangs on it
            self._note(name, error)

    def observe_duration(self, name: str, seconds: float, attributes: Mapping[str, str]) -> None:
        """Passes the duration on."""
        try:
            self._sink.observe_duration(name, seconds, attributes)
        except Exception as error:  # noqa: BLE001 - a user's sink may raise anything, and no outcome hangs on it
            self._note(name, error)

    def _note(self, name: str, error: Exception) -> None:
        self.failures += 1
        if name not in self._told:
            self._told.add(name)
            _log.error("the metrics sink failed at %s; further failures are only counted", name, exc_info=error)
