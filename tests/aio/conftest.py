"""The asyncio client on the real server, and the worker that is only script calls."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TypeAlias

import pytest

from rrqmp.aio import ActivityExecutor
from rrqmp.store.embedded import EmbeddedServer
from tests.client.conftest import worker as worker

Open: TypeAlias = Callable[[], AbstractAsyncContextManager[ActivityExecutor]]


@pytest.fixture
def opened(server: EmbeddedServer, queue_name: str) -> Open:
    """`async with opened() as executor`: closed at its end, and then nothing of it is left on the loop."""

    @asynccontextmanager
    async def open_one() -> AsyncIterator[ActivityExecutor]:
        async with ActivityExecutor.connect(server.url, queue_name) as executor:
            yield executor
        assert asyncio.all_tasks() == {asyncio.current_task()}

    return open_one
