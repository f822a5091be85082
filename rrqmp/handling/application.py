"""What a program must offer to be run: its handlers, the settings it chose, its metrics sink."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from rrqmp.handling.registry import Registry
from rrqmp.telemetry.sink import MetricsSink


@runtime_checkable
class Application(Protocol):
    """A `WorkerEngine`, or anything of the same shape; `settings` holds only what the application set, by name."""

    @property
    def registry(self) -> Registry: ...

    @property
    def settings(self) -> Mapping[str, object]: ...

    @property
    def metrics(self) -> MetricsSink | None: ...


@dataclass(frozen=True, slots=True)
class CarriedApplication:
    """An application that travels by value, from where there is no file to import it from."""

    registry: Registry
    settings: Mapping[str, object]
    metrics: MetricsSink | None
    tracing: bool | Callable[[], Any] = False
