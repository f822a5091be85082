"""Libraries that are extras of this package: where one is missing, an error that names the remedy."""

from __future__ import annotations

import importlib
from types import ModuleType
from typing import Final

from rrqmp.errors import ConfigurationError

_WHAT: Final = {"otel": "OpenTelemetry's SDK and OTLP exporter", "prometheus": "prometheus-client"}


def import_extra(module: str, extra: str, wanted_by: str) -> ModuleType:
    """Imports a module of ours that stands on an extra. Raises `ConfigurationError` if that is not installed."""
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name and error.name.startswith("rrqmp"):
            raise
        raise ConfigurationError(
            f"{wanted_by} needs {_WHAT[extra]}, and there is no module {error.name!r}: pip install rrqmp[{extra}]"
        ) from None
