"""What a program must offer to be run: its handlers, the settings it chose, its metrics sink."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol, runtime_checkable

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
