"""Handlers of two lengths, so that batches form and one of them is held up."""

from __future__ import annotations

import os
from typing import Any

from notes import App, note, wait_for

from rrqmp.handling.context import ActivityContext

engine = App()


@engine.add
def short(payload: Any, context: ActivityContext) -> int:
    """Nothing, but for the one that the payload names long: it waits for a file."""
    if payload.get("long"):
        note(payload, context, "long")
        wait_for(lambda: os.path.exists(payload["gate"]))
    elif "notes" in payload:
        note(payload, context)
    return context.attempt


@engine.add
def other(payload: Any, context: ActivityContext) -> int:
    note(payload, context)
    return context.attempt
