"""An engine whose metrics go to OpenTelemetry."""

from __future__ import annotations

from typing import Any

from rrqmp import OpenTelemetryMetrics, WorkerEngine

engine = WorkerEngine(metrics=OpenTelemetryMetrics())


@engine.activity
def echo(payload: Any) -> Any:
    return payload
