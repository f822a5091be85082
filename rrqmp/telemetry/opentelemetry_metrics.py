"""A metrics sink that hands everything to OpenTelemetry, by a provider of each worker's own."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any, Final

from rrqmp.telemetry.extras import import_extra
from rrqmp.telemetry.sink import MetricsSink
from rrqmp.telemetry.vocabulary import BOUNDS, BY_NAME

_ATTRIBUTES: Final = {"queue": "messaging.destination.name", "type": "rrqmp.activity.type"}


class OpenTelemetryMetrics(MetricsSink):
    """Exports to where `OTEL_EXPORTER_OTLP_ENDPOINT` points; `make_provider` makes another provider, in each worker.

    Raises `ConfigurationError` without the extra `otel`. Nothing is opened before the first count of a process.
    """

    def __init__(self, make_provider: Callable[[], Any] | None = None, *, service_name: str = "") -> None:
        if make_provider is None:
            import_extra("rrqmp.telemetry.otlp", "otel", "OpenTelemetryMetrics")
        self._make_provider = make_provider
        self._service_name = service_name
        self._opened: tuple[int, Any, dict[str, Any]] | None = None

    def inc_counter(self, name: str, value: int, attributes: Mapping[str, str]) -> None:
        """Adds to a counter such as `rrqmp.activity.completed`."""
        provider, made = self._open()
        counter = made.get(name)
        if counter is None:
            metric = BY_NAME[name]
            counter = made[name] = provider.get_meter("rrqmp").create_counter(
                metric.opentelemetry, unit="{attempt}" if "type" in metric.labels else "{call}", description=metric.help
            )
        counter.add(value, _renamed(attributes))

    def observe_duration(self, name: str, seconds: float, attributes: Mapping[str, str]) -> None:
        """Records into a histogram such as `rrqmp.activity.execution`, in seconds."""
        provider, made = self._open()
        histogram = made.get(name)
        if histogram is None:
            metric = BY_NAME[name]
            histogram = made[name] = provider.get_meter("rrqmp").create_histogram(
                metric.opentelemetry,
                unit="s",
                description=metric.help,
                explicit_bucket_boundaries_advisory=list(BOUNDS),
            )
        histogram.record(seconds, _renamed(attributes))

    def close(self) -> None:
        """Exports what is left."""
        opened, self._opened = self._opened, None
        if opened is not None and opened[0] == os.getpid():
            opened[1].shutdown()

    def _open(self) -> tuple[Any, dict[str, Any]]:
        opened = self._opened
        if opened is None or opened[0] != os.getpid():
            opened = self._opened = (os.getpid(), self._make(), {})
        return opened[1], opened[2]

    def _make(self) -> Any:
        if self._make_provider is not None:
            return self._make_provider()
        otlp: Any = import_extra("rrqmp.telemetry.otlp", "otel", "OpenTelemetryMetrics")
        return otlp.make_meter_provider(self._service_name)


def _renamed(attributes: Mapping[str, str]) -> dict[str, str]:
    return {_ATTRIBUTES.get(name, name): value for name, value in attributes.items()}
