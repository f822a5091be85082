"""The client for asyncio: the names of `rrqmp`, awaited. `from rrqmp import aio`."""

from __future__ import annotations

from typing import TypeAlias

from rrqmp.aio.batch import Batch as Batch
from rrqmp.aio.batch import as_completed as as_completed
from rrqmp.aio.batch import wait as wait
from rrqmp.aio.builder import ActivityBuilder as ActivityBuilder
from rrqmp.aio.builder import PreparedActivity as PreparedActivity
from rrqmp.aio.executor import ActivityExecutor as ActivityExecutor
from rrqmp.aio.future import ActivityFuture as ActivityFuture
from rrqmp.aio.queue import ActivityQueue as ActivityQueue
from rrqmp.handling import context as _context

# What an `async def` handler is annotated with: in it `context.activity_executor` is the asyncio one.
ActivityContext: TypeAlias = _context.ActivityContext[ActivityExecutor]

__all__ = [
    "ActivityBuilder",
    "ActivityContext",
    "ActivityExecutor",
    "ActivityFuture",
    "ActivityQueue",
    "Batch",
    "PreparedActivity",
    "as_completed",
    "wait",
]
