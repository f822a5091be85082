"""Handlers that behave."""

from __future__ import annotations

import os
import time
from typing import Any

from notes import App, note, wait_for

from rrqmp.handling.context import ActivityContext

engine = App()


@engine.add
def echo(payload: Any) -> Any:
    return payload


@engine.add
def tell(payload: Any, context: ActivityContext) -> int:
    """Writes a line and returns its attempt."""
    note(payload, context, payload.get("text", ""))
    return context.attempt


@engine.add
def nap(payload: Any, context: ActivityContext) -> int:
    """Writes a line and sleeps."""
    note(payload, context, payload.get("text", ""))
    time.sleep(payload["seconds"])
    note(payload, context, "done")
    return context.attempt


@engine.add
def hold(payload: Any, context: ActivityContext) -> int:
    """Says how far it is, writes a line and waits for a file."""
    if "progress" in payload:
        context.progress(payload["progress"], "halfway")
    note(payload, context, payload.get("text", ""))
    wait_for(lambda: os.path.exists(payload["gate"]))
    return context.attempt


@engine.add
def hold_first(payload: Any, context: ActivityContext) -> int:
    """Waits for a file in its first attempt only."""
    note(payload, context)
    if context.attempt == 1:
        wait_for(lambda: os.path.exists(payload["gate"]))
    return context.attempt


@engine.add
def fail(payload: Any) -> None:
    raise ValueError("no")
