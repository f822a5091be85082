"""Cancelling on a loop: the same answers as the blocking client's."""

from __future__ import annotations

import asyncio

import pytest

from rrqmp.errors import ActivityCancelled, ActivityNotFound
from rrqmp.model.ids import new_activity_id
from rrqmp.model.status import ActivityStatus
from tests.aio.conftest import Open
from tests.client.conftest import FakeWorker


def test_cancels_tell_what_became_of_them(opened: Open, worker: FakeWorker) -> None:
    async def go() -> None:
        async with opened() as executor:
            done, waiting = await executor.execute("render", 1), await executor.execute("render", 2)
            worker.complete_next("render", "fine")
            assert not await done.cancel()
            assert await waiting.cancel(grace=0)
            with pytest.raises(ActivityCancelled):
                await waiting
            with pytest.raises(ActivityNotFound):
                await executor.cancel(new_activity_id())
            batch = await executor.execute_many("render", range(3))
            assert await batch.cancel() == 3

    asyncio.run(go())


def test_children_are_cancelled(opened: Open, worker: FakeWorker) -> None:
    async def go() -> None:
        async with opened() as executor:
            parent = await executor.execute("render", 1)
            worker.claim("render")
            children = await executor.for_parent(parent.activity_id, executor.queue_name).execute_many("tile", range(3))
            assert await executor.cancel_children(parent.activity_id) == 3
            assert set(await children.counts()) == {ActivityStatus.CANCELLED}
            assert await parent.cancel(children=True)

    asyncio.run(go())
