"""`aio.ActivityQueue`: the blocking one's operations, awaited on the real server."""

from __future__ import annotations

import asyncio
import inspect

import pytest

from rrqmp import aio
from rrqmp.client.queue import ActivityQueue
from rrqmp.errors import ActivityNotFound
from rrqmp.model.attempt import Attempt, AttemptKind, Ending
from rrqmp.model.status import ActivityStatus
from tests.aio.conftest import Open
from tests.client.conftest import FakeWorker

FAILED = Attempt(kind=AttemptKind.FAILED, attempt=1, error="ValueError", message="no")


def methods(kind: type) -> dict[str, inspect.Signature]:
    found = {name: thing for name, thing in vars(kind).items() if inspect.isfunction(thing) and name[0] != "_"}
    return {name: inspect.signature(thing) for name, thing in found.items()}


def test_it_has_the_methods_of_the_blocking_one() -> None:
    ours, theirs = methods(aio.ActivityQueue), methods(ActivityQueue)
    assert ours.keys() == theirs.keys()
    for name in ours.keys() - {"iter_activities"}:
        assert ours[name] == theirs[name], name
        assert inspect.iscoroutinefunction(getattr(aio.ActivityQueue, name)), name


def test_every_operation_is_awaited(opened: Open, worker: FakeWorker) -> None:
    async def go() -> None:
        async with opened() as executor:
            queue = executor.activity_queue
            batch = await executor.execute_many("t", range(5))
            ids = [future.activity_id for future in batch]
            assert [row.activity_id async for row in queue.iter_activities("pending")] == ids
            page = await queue.list_activities("pending", limit=2)
            rest = await queue.list_activities("pending", cursor=page.cursor)
            assert [row.activity_id for row in (*page.activities, *rest.activities)] == ids
            await asyncio.to_thread(bury, worker, 4)
            assert len((await queue.list_dead_letters(kind="failed")).activities) == 4
            assert await queue.revive(ids[0]) == 1
            assert await queue.discard(ids[1]) == 1
            told: list[int] = []
            assert await queue.revive_all(text="NO", on_progress=lambda done, total: told.append(done)) == 2
            assert told == [2]
            assert await queue.discard_all() == 0
            assert await queue.cancel(ids[0]) is True
            assert (await queue.get(ids[0])).status is ActivityStatus.CANCELLED
            with pytest.raises(ActivityNotFound):
                await queue.get(ids[1])
            await queue.pause("t")
            await queue.limit("t", 3)
            gates = await queue.gates()
            assert (gates.paused_types, gates.limits) == ({"t"}, {"t": 3})
            await queue.resume("t")
            assert (await queue.get_stats()).pending_count == 3
            assert [view.name for view in await queue.workers()] == ["test"]

    asyncio.run(go())


def bury(worker: FakeWorker, count: int) -> None:
    for _ in range(count):
        worker.end_next("t", Ending.DEAD, FAILED)


def test_other_tasks_go_on_while_all_are_revived(opened: Open, worker: FakeWorker) -> None:
    turns = 0

    async def tick() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    async def go() -> None:
        async with opened() as executor:
            await executor.execute_many("t", range(300))
            await asyncio.to_thread(bury, worker, 300)
            ticking = asyncio.ensure_future(tick())
            assert await executor.activity_queue.revive_all() == 300
            ticking.cancel()
            await asyncio.wait([ticking])

    asyncio.run(go())
    assert turns > 3
