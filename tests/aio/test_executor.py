"""Submitting and awaiting on a loop: what the blocking client promises, and what only a loop can go wrong with."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Coroutine
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest

from rrqmp import aio
from rrqmp.aio import ActivityExecutor, ActivityFuture, as_completed, wait
from rrqmp.client.redis_config import RedisConfig
from rrqmp.errors import (
    ActivityFailed,
    ActivityNotFound,
    BatchSubmissionError,
    ConfigurationError,
    InvalidPayload,
    ResultTimeout,
    StoreUnavailable,
)
from rrqmp.model.activity_type import ActivityType
from rrqmp.model.attempt import Attempt, AttemptKind, Ending
from rrqmp.model.ids import new_activity_id
from rrqmp.model.options import OnDuplicate
from rrqmp.model.priority import ActivityPriority
from rrqmp.model.status import ActivityStatus
from rrqmp.store.connection import BlockingConnection
from rrqmp.store.embedded import EmbeddedServer
from tests.aio.conftest import Open
from tests.client.conftest import FakeWorker

PATIENCE = 10


@dataclass
class Thumb:
    size: int


THUMBNAIL = ActivityType("thumbnail", dict, Thumb)


async def eventually(condition: Any) -> None:
    async with asyncio.timeout(PATIENCE):
        while not condition():
            await asyncio.sleep(0)


def test_a_result_is_awaited_any_number_of_times(opened: Open, worker: FakeWorker) -> None:
    async def go() -> None:
        async with opened() as executor:
            future = await executor.execute(THUMBNAIL, {})
            waiting = [asyncio.create_task(future.get_result(PATIENCE)) for _ in range(3)]
            worker.complete_next("thumbnail", {"size": 3})
            assert await asyncio.gather(*waiting, future) == [Thumb(3)] * 4
            assert await future == Thumb(3)
            assert await future.status() is ActivityStatus.COMPLETED
            assert await future.done()

    asyncio.run(go())


def test_the_sentence_form_is_awaited_at_its_end(opened: Open) -> None:
    async def go() -> None:
        async with opened() as executor:
            sentence = executor.activity("render").payload(1).priority(ActivityPriority.HIGH).soft_timeout(3)
            record = await (await sentence.execute()).record()
            assert (record.priority, record.spec.soft_timeout) == (ActivityPriority.HIGH, 3.0)
            prepared = sentence.prepare()
            assert [(await prepared.execute()).activity_id for _ in range(2)] == [prepared.activity_id] * 2
            assert not await (await sentence.queue(f"{executor.queue_name}-other").execute()).done()

    asyncio.run(go())


def test_a_second_wait_is_told_without_asking(opened: Open, worker: FakeWorker) -> None:
    async def go() -> None:
        async with opened() as executor:
            first = await executor.execute("render", 0)
            worker.complete_next("render", 0)
            await first
            await eventually(lambda: executor._reach.reply_for(first.keys))
            future = await executor.execute("render", 1)
            assert (await future.record()).spec.reply
            worker.complete_next("render", 1)
            assert await future.get_result(PATIENCE) == 1

    asyncio.run(go())


def test_a_wait_given_up_or_cancelled_leaves_the_activity_alone(opened: Open, worker: FakeWorker) -> None:
    async def go() -> None:
        async with opened() as executor:
            future = await executor.execute("render", 1)
            with pytest.raises(ResultTimeout, match=r"had not ended after 0\.02 s; it goes on"):
                await future.get_result(timedelta(milliseconds=20))
            task = asyncio.create_task(future.get_result())
            await eventually(lambda: future._sinks)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert not future._sinks
            worker.complete_next("render", 2)
            assert await future.get_result(PATIENCE) == 2

    asyncio.run(go())


def test_errors_are_those_of_the_blocking_client(opened: Open, worker: FakeWorker) -> None:
    async def go() -> None:
        async with opened() as executor:
            future = await executor.execute("render", 1)
            worker.end_next("render", Ending.DEAD, Attempt(kind=AttemptKind.FAILED, error="ValueError", attempt=1))
            with pytest.raises(ActivityFailed, match="failed on attempt 1") as told:
                await future
            assert told.value.record is not None
            with pytest.raises(ActivityNotFound):
                await executor.future(new_activity_id())
            with pytest.raises(ActivityNotFound):
                await executor.future(new_activity_id()).done()
            with pytest.raises(ConfigurationError, match="is no activity id"):
                executor.future("x")
            with pytest.raises(InvalidPayload):
                await executor.execute("render", {1, 2})

    asyncio.run(go())


def test_a_batch_keeps_its_order_and_counts(opened: Open, worker: FakeWorker) -> None:
    async def go() -> None:
        async with opened() as executor:
            batch = await executor.execute_many("render", range(4), key=str)
            worker.complete_next("render", "a")
            worker.end_next("render", Ending.DEAD, Attempt(kind=AttemptKind.FAILED))
            worker.claim("render")
            assert await batch.counts() == {
                ActivityStatus.PENDING: 1, ActivityStatus.RUNNING: 1,
                ActivityStatus.COMPLETED: 1, ActivityStatus.DEAD_LETTER: 1,
            }  # fmt: skip
            results = await batch[:2].results(return_exceptions=True, timeout=PATIENCE)
            assert results[0] == "a"
            assert isinstance(results[1], ActivityFailed)
            with pytest.raises(BatchSubmissionError) as told:
                await executor.execute_many("render", [8, 0], key=str, on_duplicate=OnDuplicate.NO_REUSE)
            assert told.value.failed_places == (1,)

    asyncio.run(go())


def test_futures_come_as_they_end_until_the_time_is_over(opened: Open, worker: FakeWorker) -> None:
    async def go() -> None:
        async with opened() as executor:
            batch = await executor.execute_many("render", range(5))
            worker.complete_many("render", 4, 1)
            seen: list[int] = []

            async def see_all() -> None:
                async for future in as_completed(batch, timeout=0.3):
                    seen.append(future.index)  # noqa: PERF401 - what was seen before the end is kept

            with pytest.raises(ResultTimeout, match="1 of 5 activities had not ended"):
                await see_all()
            assert sorted(seen) == [0, 1, 2, 3]
            async for future in as_completed(batch):
                assert future.index in seen
                break

    asyncio.run(go())


def test_wait_gives_what_has_ended_and_what_has_not(opened: Open, worker: FakeWorker) -> None:
    async def go() -> None:
        async with opened() as executor:
            first, second = await executor.execute_many("render", range(2))
            assert await wait([first, second], 0.05) == (set(), {first, second})
            worker.complete_next("render", 1)
            assert await wait([first, second], PATIENCE, "FIRST_COMPLETED") == ({first}, {second})
            worker.complete_next("render", 1)
            assert await wait([first, second], PATIENCE) == ({first, second}, set())

    asyncio.run(go())


@pytest.mark.once
def test_ten_thousand_futures_wait_on_one_connection(
    opened: Open, worker: FakeWorker, store: BlockingConnection
) -> None:
    async def go() -> None:
        before, threads = _named(store, "rrqmp-notices"), threading.active_count()
        async with opened() as executor:
            batch = await executor.execute_many("render", range(10_000))
            waiting = asyncio.gather(*batch)
            await eventually(lambda: all(future._sinks for future in batch))
            await eventually(lambda: _named(store, "rrqmp-notices") == before + 1)
            for _ in range(100):
                # On a busy machine this takes longer than a lease.
                worker.join()
                worker.complete_many("render", 100, 1)
                await asyncio.sleep(0)
            assert await asyncio.wait_for(waiting, 50) == [1] * 10_000
            assert _named(store, "rrqmp-notices") == before + 1
            assert threading.active_count() == threads

    asyncio.run(go())


def test_ends_told_while_the_line_was_cut_are_heard_after_it(
    opened: Open, worker: FakeWorker, store: BlockingConnection
) -> None:
    async def go() -> None:
        async with opened() as executor:
            futures = list(await executor.execute_many("render", range(5)))
            waiting = asyncio.gather(*futures)
            await eventually(lambda: executor._reach.reply_for(futures[0].keys))
            store.command("CLIENT", "KILL", "TYPE", "pubsub")
            worker.complete_many("render", 5, 7)
            assert await asyncio.wait_for(waiting, PATIENCE) == [7] * 5

    asyncio.run(go())


def test_one_executor_serves_one_run_after_another(
    server: EmbeddedServer, queue_name: str, worker: FakeWorker, store: BlockingConnection
) -> None:
    executor = ActivityExecutor.connect(server.url, queue_name)

    async def go(payload: int) -> Any:
        future = await executor.execute("render", payload)
        waiting = asyncio.create_task(future.get_result(PATIENCE))
        await eventually(lambda: future._sinks)
        worker.complete_next("render", payload)
        return await waiting

    # Nobody closes it: the end of the loop does, and leaves no connection behind.
    before = _named(store, "rrqmp-client")
    assert [asyncio.run(go(number)) for number in range(3)] == [0, 1, 2]
    assert _named(store, "rrqmp-client") == before


def test_a_second_loop_at_once_is_refused(opened: Open) -> None:
    async def go() -> None:
        async with opened() as executor:
            await executor.execute("render", 1)
            with pytest.raises(ConfigurationError, match="in use on another event loop"):
                await asyncio.to_thread(lambda: asyncio.run(_executed(executor)))

    asyncio.run(go())


def _executed(executor: ActivityExecutor) -> Coroutine[Any, Any, ActivityFuture[Any]]:
    return executor.execute("render", 2)


def test_closing_wakes_who_waits_and_a_later_call_opens_again(opened: Open, worker: FakeWorker) -> None:
    async def go() -> None:
        async with opened() as executor:
            future = await executor.execute("render", 1)
            waiting = asyncio.create_task(future.get_result())
            await eventually(lambda: future._sinks)
            await executor.close()
            with pytest.raises(StoreUnavailable, match="closed while somebody waited"):
                await waiting
            worker.complete_next("render", 5)
            assert await future.get_result(PATIENCE) == 5

    asyncio.run(go())


def test_a_cancelled_submission_spoils_no_other(opened: Open) -> None:
    async def go() -> None:
        async with opened() as executor:
            await executor.execute("warm")
            doomed = [asyncio.create_task(executor.execute("render", "x" * 1000)) for _ in range(20)]
            await asyncio.sleep(0)
            for task in doomed:
                task.cancel()
            futures = await asyncio.gather(*(executor.execute("other", place) for place in range(50)))
            records = await asyncio.gather(*(future.record() for future in futures))
            assert [record.payload for record in records] == [b"%d" % place for place in range(50)]
            await asyncio.gather(*doomed, return_exceptions=True)

    asyncio.run(go())


def test_a_fork_starts_afresh(server: EmbeddedServer, queue_name: str) -> None:
    executor = ActivityExecutor.connect(server.url, queue_name)

    async def go() -> str:
        return (await executor.execute("render", 1)).activity_id

    asyncio.run(go())
    pid = os.fork()
    if pid == 0:
        try:
            asyncio.run(go())
            os._exit(0)
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    asyncio.run(go())


def test_a_dead_server_is_named(queue_name: str) -> None:
    executor = ActivityExecutor.connect("redis://127.0.0.1:1", queue_name, resend_seconds=0.1)

    with pytest.raises(StoreUnavailable, match="does not answer"):
        asyncio.run(_executed(executor))


def test_no_more_connections_are_made_than_allowed(
    server: EmbeddedServer, queue_name: str, store: BlockingConnection
) -> None:
    async def go() -> None:
        config = RedisConfig(max_size=3, min_idle=2)
        before = _named(store, "rrqmp-client")
        async with ActivityExecutor.connect(server.url, queue_name, redis_config=config) as executor:
            await executor.execute("render", 0)
            assert _named(store, "rrqmp-client") == before + 2
            await asyncio.gather(*(executor.execute("render", place) for place in range(100)))
            assert _named(store, "rrqmp-client") == before + 3

    asyncio.run(go())


def test_what_is_too_old_is_not_used_again(server: EmbeddedServer, queue_name: str, store: BlockingConnection) -> None:
    async def go() -> None:
        before = _named(store, "rrqmp-client")
        config = RedisConfig(max_size=4, min_idle=2)
        async with ActivityExecutor.connect(server.url, queue_name, redis_config=config) as executor:
            await executor.execute("render", 0)
            first = _ids(store)
            room: Any = executor._reach._room
            for member in room.store._links._idle:
                member.used -= 3600
            await executor.execute("render", 1)
            assert not first & _ids(store)
            assert _named(store, "rrqmp-client") == before + 2

    asyncio.run(go())


def test_who_finds_no_free_connection_is_told_what_to_raise(
    server: EmbeddedServer, queue_name: str, store: BlockingConnection
) -> None:
    async def go() -> None:
        config = RedisConfig(max_size=1, min_idle=0, conn_timeout=0.05)
        async with ActivityExecutor.connect(server.url, queue_name, redis_config=config) as executor:
            await executor.execute("warm")
            store.command("CLIENT", "PAUSE", 300)
            first = asyncio.create_task(executor.execute("render", 1))
            await asyncio.sleep(0)
            with pytest.raises(StoreUnavailable, match="raise max_size"):
                await executor.execute("render", 2)
            await first

    asyncio.run(go())


def test_every_name_of_the_blocking_client_has_its_twin() -> None:
    names = {
        "ActivityExecutor",
        "ActivityBuilder",
        "PreparedActivity",
        "ActivityFuture",
        "Batch",
        "as_completed",
        "wait",
    }
    assert names <= vars(aio).keys()


def _named(store: BlockingConnection, name: str) -> int:
    listed: bytes = store.command("CLIENT", "LIST")
    return listed.count(b"name=%s " % name.encode())


def _ids(store: BlockingConnection) -> set[bytes]:
    listed: bytes = store.command("CLIENT", "LIST")
    return {line.split()[0] for line in listed.splitlines() if b"name=rrqmp-client " in line}
