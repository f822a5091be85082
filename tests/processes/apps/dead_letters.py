"""Handlers with callbacks for the end of all hope."""

from __future__ import annotations

import itertools
import os
import time
from typing import Any

from notes import App, note

from rrqmp.errors import NonRetry
from rrqmp.handling.context import ActivityContext
from rrqmp.handling.handler import ActivityHandler
from rrqmp.model.retry import RetryPolicy

engine = App()


class Unmakeable(ActivityHandler[Any, Any]):
    """Hangs while it is made, and has no callback."""

    activity_type = "unmakeable"
    retry = RetryPolicy(max_retries=0)

    def __init__(self) -> None:
        while True:
            pass

    def handle(self, payload: Any, context: ActivityContext) -> None:
        raise AssertionError("never made")


class Notes(ActivityHandler[Any, Any]):
    """Fails as the payload says, and writes a line when it is told of its dead letter."""

    activity_type = "fails"
    retry = RetryPolicy(max_retries=1, base=0.005, cap=0.01)

    def handle(self, payload: Any, context: ActivityContext) -> None:
        how = payload["how"]
        if how == "non_retry":
            raise NonRetry("no hope")
        if how == "crash":
            os.abort()
        if how == "spin":
            while True:
                pass
        raise ValueError(how)

    def on_dead_letter(self, payload: Any, context: ActivityContext, error: Exception) -> None:
        note(payload, context, f"{type(error).__name__}: {error}".replace("\n", " "))
        if payload.get("then") == "sleep":
            time.sleep(60)
        if payload.get("then") == "hang":
            # Deaf to its soft limit as well.
            sum(itertools.repeat(0))
        if payload.get("then") == "crash":
            os.abort()
        if payload.get("then") == "raise":
            raise RuntimeError("the callback fails too")


engine.add(Notes)
engine.add(Unmakeable)


@engine.add
def echo(payload: Any) -> Any:
    return payload
