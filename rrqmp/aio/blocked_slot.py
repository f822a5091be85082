"""Waits inside an `async def` handler, of which its worker is told as of a blocking one's."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any, Protocol, TypeVar

from rrqmp.client.blocked_slot import AGAIN_SECONDS, PATIENCE_SECONDS, Blocked, hastened
from rrqmp.client.hastening import Hastening
from rrqmp.client.steps import run_steps_async
from rrqmp.errors import WorkerError
from rrqmp.store.script import Call

T = TypeVar("T")


class _Asked(Protocol):
    async def run(self, call: Call[Any]) -> Any: ...


async def take(ended: asyncio.Queue[T], hastening: Hastening[Any]) -> T:
    """The next of the queue; the caller bounds the time."""
    blocked = Blocked()
    if not blocked or not ended.empty():
        return await ended.get()
    with suppress(TimeoutError):
        async with asyncio.timeout(PATIENCE_SECONDS):
            return await ended.get()
    with blocked as waiter:
        while True:
            if waiter is not None:
                await _hasten(hastening, *waiter)
            with suppress(TimeoutError):
                async with asyncio.timeout(AGAIN_SECONDS):
                    return await ended.get()


async def _hasten(hastening: Hastening[_Asked], queue: str, waiter: str) -> None:
    due = hastening.due(queue, waiter)
    for asked, steps in due:
        # Only a help: the wait itself goes on.
        with suppress(WorkerError):
            await run_steps_async(asked.run, steps)
    if due:
        hastened()
