"""Spans and counts of a runner: whose names they bear, and which of them a runner's processes are told to make."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Final

from rrqmp.errors import ConfigurationError
from rrqmp.telemetry.runner import NoopTelemetry, OtelTelemetry, Telemetry, init_tracing

# How a runner's script, which is not run again as far as its call of `run_tcp_with`, tells its workers.
VARIABLE: Final = "RRQ_RUNNER_TELEMETRY"
_OTEL: Final = "otel"


def telemetry_environment(telemetry: Telemetry) -> dict[str, str]:
    """What the processes of a runner must find in their environment. Raises `ConfigurationError` for other kinds."""
    if isinstance(telemetry, NoopTelemetry):
        return {}
    if isinstance(telemetry, OtelTelemetry):
        return {VARIABLE: _OTEL, "OTEL_SERVICE_NAME": os.environ.get("OTEL_SERVICE_NAME") or telemetry.service_name}
    raise ConfigurationError(
        f"{telemetry!r} cannot be handed to the workers from here: give an OtelTelemetry or a NoopTelemetry, or one of "
        "your own to the registry, as in Registry(telemetry=...)"
    )


def telemetry_of(environ: Mapping[str, str] = os.environ) -> Telemetry:
    """What the environment asks for, by default none."""
    return OtelTelemetry() if environ.get(VARIABLE) == _OTEL else NoopTelemetry()


__all__ = ["NoopTelemetry", "OtelTelemetry", "Telemetry", "init_tracing", "telemetry_environment", "telemetry_of"]
