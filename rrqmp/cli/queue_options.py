"""What commands share that look at queues from outside: their options, and the connection."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, TypeVar

from rrqmp.cli.setting_options import setting_options, settings_inputs
from rrqmp.errors import ConfigurationError
from rrqmp.settings import Settings
from rrqmp.store.keys import QueueKeys
from rrqmp.store.pool import ConnectionPool
from rrqmp.store.rules import rules_of

if TYPE_CHECKING:
    from rrqmp.client.queue import ActivityQueue

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


def one_queue(settings: Settings) -> str:
    """The queue, where a command is for one only."""
    if len(settings.queues) > 1:
        raise ConfigurationError(f"{', '.join(settings.queues)} are several queues: name one with --queue")
    (name,) = settings.queues
    return name


@contextmanager
def open_queue(options: Mapping[str, Any]) -> Iterator[ActivityQueue]:
    """The one queue that the options and the other sources name."""
    # Imported here: help and mistakes need no client.
    from rrqmp.client.queue import ActivityQueue

    settings = read_settings(options)
    with open_pool(settings) as pool:
        yield ActivityQueue(pool.run, QueueKeys(one_queue(settings), settings.prefix), rules_of(settings))
