"""The border to a metrics system: two calls, made in the workers, by names that do not change."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Final, Protocol, runtime_checkable

_log: Final = logging.getLogger(__name__)


@runtime_checkable
class MetricsSink(Protocol):
    """Takes counts and durations of workers; `attributes` names `queue` and `type`, or the `callback` that failed.

    Called in each worker, by one thread beside the handler's. A `close()` is called before the worker leaves.
    """

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

    def __init__(self, sink: MetricsSink, on_failure: Callable[[], None] | None = None) -> None:
        self._sink = sink
        self._on_failure = on_failure
        self._told: set[str] = set()
        self.failures = 0

    def inc_counter(self, name: str, value: int, attributes: Mapping[str, str]) -> None:
        """Passes the count on."""
        self.call(name, self._sink.inc_counter, name, value, attributes)

    def observe_duration(self, name: str, seconds: float, attributes: Mapping[str, str]) -> None:
        """Passes the duration on."""
        self.call(name, self._sink.observe_duration, name, seconds, attributes)

    def call(self, what: str, method: Callable[..., None], *arguments: object) -> None:
        """Calls any method of the sink."""
        try:
            method(*arguments)
        except BaseException as error:  # noqa: BLE001 - a user's sink may raise anything, and no outcome hangs on it
            self.failures += 1
            if self._on_failure is not None:
                self._on_failure()
            if what not in self._told:
                self._told.add(what)
                _log.error("the metrics sink failed at %s; further failures are only counted", what, exc_info=error)
