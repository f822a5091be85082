"""Handlers that are cancelled, each with its own manners."""

from __future__ import annotations

import asyncio
import os
from typing import Any

from notes import App, note, wait_for

from rrqmp.errors import NonRetry
from rrqmp.handling.context import ActivityContext
from rrqmp.handling.handler import ActivityHandler

engine = App()


@engine.add
def stubborn(payload: Any, context: ActivityContext) -> int:
    """Waits for a file and asks nobody."""
    note(payload, context)
    wait_for(lambda: os.path.exists(payload["gate"]))
    return 1


@engine.add
def polite(payload: Any, context: ActivityContext) -> str | None:
    """Returns as soon as it hears of its cancel."""
    note(payload, context)
    wait_for(context.cancel_token.is_cancelled)
    note(payload, context, "heard")
    return context.cancel_token.reason


class GivesUp(ActivityHandler[Any, Any]):
    """Raises when it hears of its cancel, as if it had failed for good."""

    activity_type = "gives_up"

    def handle(self, payload: Any, context: ActivityContext) -> None:
        note(payload, context)
        wait_for(context.cancel_token.is_cancelled)
        raise NonRetry("cancelled half-way")

    def on_dead_letter(self, payload: Any, context: ActivityContext, error: Exception) -> None:
        note(payload, context, "dead letter")


engine.add(GivesUp)


@engine.add
def echo(payload: Any) -> Any:
    return payload


@engine.add
def first(payload: Any, context: ActivityContext) -> int:
    """One of a batch: the first holds the others up."""
    note(payload, context)
    wait_for(lambda: payload["place"] != 0 or os.path.exists(payload["gate"]))
    return payload["place"]


@engine.add
def parent(payload: Any, context: ActivityContext) -> list[Any]:
    """Starts children, of which the first starts one too, and waits for all."""
    generations = payload.get("generations", 1)
    executor = context.activity_executor
    children = [executor.execute("stubborn", payload) for _ in range(2)]
    if generations:
        children.append(executor.execute("parent", payload | {"generations": generations - 1}))
    note(payload, context, " ".join(child.activity_id for child in children))
    return [child.get_result() for child in children]


@engine.add
def cleans_up(payload: Any, context: ActivityContext) -> int:
    """Cancels its own children when it is cancelled itself."""
    child = context.activity_executor.execute("stubborn", payload)
    note(payload, context, child.activity_id)
    wait_for(context.cancel_token.is_cancelled)
    return context.cancel_children(grace=0)


@engine.add
async def waits(payload: Any, context: ActivityContext) -> None:
    """Sleeps on its loop, and cleans up for a while when it is cancelled."""
    try:
        if payload.get("shielded"):
            with context.shield():
                note(payload, context)
                wait_for(context.cancel_token.is_cancelled)
                note(payload, context, "shielded")
        else:
            note(payload, context)
        await asyncio.sleep(60)
    except asyncio.CancelledError:
        await asyncio.sleep(0.1)
        note(payload, context, "cleaned up")
        raise


@engine.add
async def waits_for_a_child(payload: Any, context: ActivityContext) -> None:
    """Waits for a child on its loop."""
    child = await context.activity_executor.execute("stubborn", payload)
    try:
        note(payload, context, child.activity_id)
        await child
    except asyncio.CancelledError:
        note(payload, context, f"cancelled {await context.cancel_children(grace=0)}")
        raise
