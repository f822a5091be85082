"""What handlers under test share: an application without an engine, and lines in a file."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any

from rrqmp.handling.context import ActivityContext
from rrqmp.handling.registration import register
from rrqmp.handling.registry import Registry


class App:
    """What a supervisor needs of an engine."""

    metrics = None

    def __init__(self, **settings: object) -> None:
        self.registry = Registry()
        self.settings = settings

    def add(self, handler: Any, **options: Any) -> Any:
        """Registers a function under its name, or a class."""
        self.registry.add(register(None, handler, options))
        return handler


def note(payload: Any, context: ActivityContext, text: str = "") -> None:
    """Appends one line; a single write, so that lines of many processes never mix."""
    line = f"{context.activity_id} {context.attempt} {os.getpid()} {time.monotonic_ns()} {text}\n"
    write_line(payload["notes"], line)


def write_line(path: str, line: str) -> None:
    """One write to the end of a file."""
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    os.write(descriptor, line.encode())
    os.close(descriptor)


def wait_for(condition: Callable[[], bool]) -> None:
    """Until it holds; the deadline is the activity's."""
    while not condition():
        time.sleep(0.0005)
