"""The client for asyncio: the names of `rrqmp`, awaited. `from rrqmp import aio`."""

from __future__ import annotations

from rrqmp.aio.batch import Batch as Batch
from rrqmp.aio.batch import as_completed as as_completed
from rrqmp.aio.batch import wait as wait
from rrqmp.aio.builder import ActivityBuilder as ActivityBuilder
from rrqmp.aio.builder import PreparedActivity as PreparedActivity
from rrqmp.aio.executor import ActivityExecutor as ActivityExecutor
from rrqmp.aio.future import ActivityFuture as ActivityFuture
