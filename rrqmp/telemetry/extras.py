"""Libraries that are extras of this package: where one is missing, an error that names the remedy."""

from __future__ import annotations

import importlib
import importlib.util
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
        raise _missing(error.name or module, extra, wanted_by) from None


def require_extra(module: str, extra: str, wanted_by: str) -> None:
    """Raises `ConfigurationError` if a library's module is not there; imports no more than its parents."""
    try:
        found = importlib.util.find_spec(module)
    except ModuleNotFoundError:
        found = None
    if found is None:
        raise _missing(module, extra, wanted_by)


def _missing(module: str, extra: str, wanted_by: str) -> ConfigurationError:
    return ConfigurationError(
        f"{wanted_by} needs {_WHAT[extra]}, and there is no module {module!r}: pip install rrqmp[{extra}]"
    )
