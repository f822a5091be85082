"""What commands share that look at queues from outside: their options, and the connection."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar

from rrqmp.cli.setting_options import setting_options, settings_inputs
from rrqmp.settings import Settings
from rrqmp.store.pool import ConnectionPool

F = TypeVar("F", bound=Callable[..., Any])

_SETTINGS: Final = ("redis_url", "prefix", "queues")
# Somebody waits at a terminal: a server that is down is told soon, not ridden out.
PATIENCE_SECONDS: Final = 3.0


def queue_options(*more: str) -> Callable[[F], F]:
    """The options that say where the queues are, and `more` settings."""
    return setting_options((*_SETTINGS, *more))


def read_settings(options: Mapping[str, Any]) -> Settings:
    """All settings; those that the command has no option for come from the other sources."""
    return settings_inputs(options).resolve().settings


def open_pool(settings: Settings) -> ConnectionPool:
    """Connections to the server of the settings; the first call connects."""
    return ConnectionPool(settings.redis_url, name="rrqmp-cli", resend_seconds=PATIENCE_SECONDS)
