"""Call sites as users write them. Not run: read by mypy and pyright, which must find each marked error and no other.

`assert_type` says what must be inferred; a line that ends in `# wrong` must be an error in both.
"""

from __future__ import annotations

from collections.abc import Coroutine, Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Any, TypedDict, assert_type

from rrqmp import (
    UNLIMITED,
    ActivityBuilder,
    ActivityContext,
    ActivityExecutor,
    ActivityFuture,
    ActivityHandler,
    ActivityOption,
    ActivityPage,
    ActivityPriority,
    ActivityQueue,
    ActivityStatus,
    ActivityType,
    Batch,
    OnDuplicate,
    PoolExecutor,
    PreparedActivity,
    Progress,
    QueueStats,
    RedisConfig,
    Release,
    ResultError,
    RetryPolicy,
    WorkerEngine,
    WorkerInfo,
    aio,
    as_completed,
    wait,
)


@dataclass
class Job:
    path: str


@dataclass
class Thumb:
    size: int


class Row(TypedDict):
    a: int


class Kind(StrEnum):
    RENDER = "render"


THUMBNAIL = ActivityType("thumbnail", Job, Thumb, priority=ActivityPriority.LOW)
ROWS = ActivityType("rows", list[Row], dict[str, int])
UNTYPED = ActivityType("untyped")
assert_type(THUMBNAIL, ActivityType[Job, Thumb])
assert_type(UNTYPED, ActivityType[Any, Any])
assert_type(ActivityType("half", Job), ActivityType[Job, Any])
assert_type(ROWS, ActivityType[list[Row], dict[str, int]])
ActivityType("thumbnail", Job, Thumb, timeout=3)  # wrong


class Thumbnail(ActivityHandler[Job, Thumb]):
    activity_type = THUMBNAIL
    timeout = 20
    retry = RetryPolicy(5)
    max_retries = UNLIMITED
    retry_on = (OSError,)
    soft_timeout = timedelta(seconds=18)
    setup_timeout = 60

    def handle(self, payload: Job, context: ActivityContext) -> Thumb:
        assert_type(context.metadata["a"], str)
        assert_type(context.activity_executor, ActivityExecutor)
        assert_type(context.cancel_children(grace=1), int)
        assert_type(context.time_remaining(), float)
        assert_type(context.checkpoint, Any)
        context.progress(0.5, "half")
        context.progress("half")  # wrong
        context.save_checkpoint({"far": 1})
        with context.shield():
            assert_type(context.stopping, bool)
        if context.stopping:
            raise Release(checkpoint={"far": 1}, delay=3)
        return Thumb(len(payload.path))

    def setup(self, worker: WorkerInfo) -> None:
        assert_type(worker.slot, int | None)

    def teardown(self) -> None: ...

    def on_dead_letter(self, payload: Job, context: ActivityContext, error: BaseException) -> None: ...


class Waiting(ActivityHandler[Job, int]):
    activity_type = Kind.RENDER
    timeout = timedelta(minutes=1)

    async def handle(self, payload: Job, context: ActivityContext) -> int:
        return 1


class AsyncParent(ActivityHandler[Job, int]):
    async def handle(self, payload: Job, context: aio.ActivityContext) -> int:
        assert_type(context.activity_executor, aio.ActivityExecutor)
        child = assert_type(await context.activity_executor.execute(THUMBNAIL, payload), aio.ActivityFuture[Thumb])
        assert_type(await context.cancel_children(), int)
        return (await child).size


class Untyped(ActivityHandler):
    def handle(self, payload: Any, context: ActivityContext) -> Any:
        return payload


class Disagreeing(ActivityHandler[Job, Thumb]):
    def handle(self, payload: Job, context: ActivityContext) -> int:  # wrong
        return 1


engine = WorkerEngine(queue_name="img", max_workers=8, redis_config=RedisConfig(max_size=3))
assert_type(WorkerEngine.builder().queue_name("img").max_workers(8).build(), WorkerEngine)
WorkerEngine(queue_nam="img")  # wrong
WorkerEngine(max_workers="eight")  # wrong
engine.register_activity(Thumbnail)
engine.register_activity("name", Thumbnail())
engine.register_activity(THUMBNAIL, Thumbnail, timeout=3)
engine.register_activity(Thumbnail, timout=3)  # wrong


@engine.activity
def resize(payload: Job) -> Thumb:
    return Thumb(1)


@engine.activity("named", timeout=60, soft_timeout=50)
def named(payload: Job, context: ActivityContext) -> Thumb:
    return Thumb(1)


@engine.activity(max_retries=0)
async def later(payload: Job, context: ActivityContext) -> Thumb:
    return Thumb(1)


@engine.activity
async def later_bare(payload: Job) -> Thumb:
    return Thumb(1)


@engine.activity
async def parent_bare(payload: Job, context: aio.ActivityContext) -> Thumb:
    return await (await context.activity_executor.execute(THUMBNAIL, payload))


@engine.activity("parent", timeout=3)
async def parent_named(payload: Job, context: aio.ActivityContext) -> Thumb:
    return Thumb(1)


@engine.on_worker_start
def load(worker: WorkerInfo) -> None: ...


@engine.on_worker_start(timeout=600)
def load_slowly() -> None: ...


@engine.on_worker_stop
def flush() -> None: ...


def takes_two(one: int, two: int) -> None: ...


load(WorkerInfo("node", 0, 1, ("img",)))
engine.on_worker_start(takes_two)  # wrong
WorkerEngine(on_worker_start=load, on_worker_stop=flush)
WorkerEngine.builder().on_worker_start(load).on_worker_stop(flush).build()
engine.activity("misspelt", timout=60)  # wrong
engine.activity("misspelt", soft_timout=60)  # wrong
assert_type(resize(Job("a")), Thumb)
started = assert_type(later(Job("a")), Coroutine[Any, Any, Thumb])
resize("a")  # wrong

executor = ActivityExecutor.connect("redis://localhost", "img")
assert_type(engine.get_activity_executor(), ActivityExecutor)
assert_type(executor.activity_queue, ActivityQueue)
assert_type(executor.activity_queue.get_stats(), QueueStats)
assert_type(executor.activity_queue.list_activities("pending", limit=5), ActivityPage)
assert_type(executor.activity_queue.revive_all(kind="failed", since=0.0), int)
executor.activity_queue.revive_all(kin="failed")  # wrong
executor.activity_queue.list_dead_letters(since="yesterday")  # wrong
executor.activity_queue.limit("render", "2")  # wrong

assert_type(executor.execute(THUMBNAIL, Job("a")), ActivityFuture[Thumb])
assert_type(executor.execute(Thumbnail, Job("a")), ActivityFuture[Thumb])
assert_type(executor.execute(Thumbnail(), Job("a")), ActivityFuture[Thumb])
assert_type(executor.execute(Waiting, Job("a")), ActivityFuture[int])
assert_type(executor.execute(AsyncParent, Job("a")), ActivityFuture[int])
assert_type(executor.execute(parent_bare, Job("a")), ActivityFuture[Thumb])
assert_type(executor.execute(parent_named, Job("a")), ActivityFuture[Thumb])
assert_type(executor.execute(resize, Job("a")), ActivityFuture[Thumb])
assert_type(executor.execute(named, Job("a")), ActivityFuture[Thumb])
assert_type(executor.execute(later, Job("a")), ActivityFuture[Thumb])
assert_type(executor.execute(later_bare, Job("a")), ActivityFuture[Thumb])
# A literal would do for pyright; mypy takes it for a dict before it looks at ROWS.
rows: list[Row] = [{"a": 1}]
assert_type(executor.execute(ROWS, rows), ActivityFuture[dict[str, int]])
assert_type(executor.execute("thumbnail", {"path": "a"}), ActivityFuture[Any])
assert_type(executor.execute("thumbnail"), ActivityFuture[Any])
assert_type(executor.execute(Kind.RENDER, 1), ActivityFuture[Any])
assert_type(executor.execute(UNTYPED, 1), ActivityFuture[Any])
assert_type(executor.execute(Untyped, 1), ActivityFuture[Any])
executor.execute(THUMBNAIL, "a")  # wrong
executor.execute(Thumbnail, Thumb(1))  # wrong
executor.execute(resize, 3)  # wrong
executor.execute(3, 3)  # wrong
executor.execute(THUMBNAIL)  # wrong

executor.execute(
    THUMBNAIL, Job("a"), priority=ActivityPriority.HIGH, timeout=60, max_retries=5, delay=timedelta(seconds=10),
    metadata={"correlation_id": "x"}, key="order-1", on_duplicate=OnDuplicate.RETURN_EXISTING, result_ttl=None,
)  # fmt: skip
executor.execute(THUMBNAIL, Job("a"), soft_timeout=3, expires=timedelta(hours=1))
executor.execute(THUMBNAIL, Job("a"), expires="soon")  # wrong
executor.execute(THUMBNAIL, Job("a"), timout=3)  # wrong
executor.execute("thumbnail", 1, timout=3)  # wrong
executor.execute(THUMBNAIL, Job("a"), timeout="3")  # wrong
executor.execute(THUMBNAIL, Job("a"), priority="high")  # wrong
executor.execute(THUMBNAIL, Job("a"), metadata={"a": 1})  # wrong

future = executor.execute(THUMBNAIL, Job("a"))
assert_type(future.get_result(), Thumb)
assert_type(future.get_result(timeout=timedelta(seconds=3)), Thumb)
assert_type(future.status(), ActivityStatus)
assert_type(future.activity_id, str)
wider: ActivityFuture[object] = future
assert_type(future.done(), bool)
assert_type(future.progress(), Progress | None)
assert_type(executor.for_queue("other", max_pending=10).execute(THUMBNAIL, Job("a")), ActivityFuture[Thumb])
ActivityExecutor.connect(max_pendin=3)  # wrong
assert_type(future.cancel(timedelta(seconds=3), children=True), bool)
assert_type(executor.cancel(future.activity_id, 0.5), bool)
assert_type(executor.cancel_children(future.activity_id), int)
future.cancel("3")  # wrong
assert_type(executor.future(future.activity_id, THUMBNAIL), ActivityFuture[Thumb])
assert_type(executor.future(future.activity_id), ActivityFuture[Any])
assert_type(wait([future], 3, "FIRST_COMPLETED").done, set[ActivityFuture[Thumb]])
wait([future], return_when="SOME")  # wrong
future.get_result("3")  # wrong

assert_type(executor.activity(THUMBNAIL), ActivityBuilder[Job, Thumb])
assert_type(executor.activity("thumbnail"), ActivityBuilder[Any, Any])
sentence = executor.activity(THUMBNAIL).payload(Job("a")).priority(ActivityPriority.HIGH).timeout(60)
assert_type(sentence.execute(), ActivityFuture[Thumb])
assert_type(sentence.idempotency_key("k", OnDuplicate.NO_REUSE, ttl=60).prepare(), PreparedActivity[Thumb])
assert_type(sentence.prepare().execute(), ActivityFuture[Thumb])
sentence.soft_timeout(3).expires(timedelta(hours=1)).option(ActivityOption(max_retries=1)).queue("other")
sentence.expires("soon")  # wrong
executor.activity(THUMBNAIL).payload(Thumb(1))  # wrong
executor.activity(THUMBNAIL).timout(3)  # wrong

batch = executor.execute_many(THUMBNAIL, [Job("a"), Job("b")], key=lambda job: job.path)
assert_type(batch, Batch[Thumb])
assert_type(batch[0], ActivityFuture[Thumb])
assert_type(batch[:1], Batch[Thumb])
assert_type(batch.counts(), Mapping[ActivityStatus, int])
assert_type(batch.results(), list[Thumb])
assert_type(batch.cancel(grace=0), int)
assert_type(batch.results(return_exceptions=True), list[Thumb | ResultError])
assert_type([done.get_result() for done in as_completed(batch)], list[Thumb])
assert_type(executor.execute_many("thumbnail", [1, 2]), Batch[Any])
executor.execute_many(THUMBNAIL, ["a"])  # wrong
executor.execute_many(THUMBNAIL, [Job("a")], key="k")  # wrong
executor.execute_many(THUMBNAIL, [Job("a")], timout=3)  # wrong

assert_type(engine.execute_activity(THUMBNAIL, Job("a"), ActivityOption(timeout_seconds=3)), ActivityFuture[Thumb])
assert_type(engine.execute_activity("thumbnail", 1), ActivityFuture[Any])
ActivityOption(timout=3)  # wrong


async def on_a_loop() -> None:
    async with aio.ActivityExecutor.connect("redis://localhost", "img", payload_limit="2MiB") as executor:
        future = await executor.execute(THUMBNAIL, Job("a"), priority=ActivityPriority.HIGH)
        assert_type(future, aio.ActivityFuture[Thumb])
        assert_type(await future, Thumb)
        assert_type(await future.get_result(timeout=3), Thumb)
        assert_type(await future.done(), bool)
        assert_type(await future.progress(), Progress | None)
        assert_type(await executor.execute("thumbnail", 1), aio.ActivityFuture[Any])
        await executor.execute(THUMBNAIL, Thumb(1))  # wrong
        await executor.execute(THUMBNAIL, Job("a"), timout=3)  # wrong
        sentence = executor.activity(THUMBNAIL).payload(Job("a")).timeout(3)
        assert_type(sentence, aio.ActivityBuilder[Job, Thumb])
        assert_type(await sentence.execute(), aio.ActivityFuture[Thumb])
        assert_type(sentence.prepare(), aio.PreparedActivity[Thumb])
        executor.activity(THUMBNAIL).payload(Thumb(1))  # wrong
        batch = await executor.execute_many(THUMBNAIL, [Job("a")], key=lambda job: job.path)
        assert_type(batch, aio.Batch[Thumb])
        assert_type(await batch, list[Thumb])
        assert_type(await batch.results(return_exceptions=True), list[Thumb | ResultError])
        async for done in aio.as_completed(batch, timeout=3):
            assert_type(done, aio.ActivityFuture[Thumb])
        assert_type((await aio.wait(batch, 3)).not_done, set[aio.ActivityFuture[Thumb]])
        assert_type(executor.future(future.activity_id, THUMBNAIL), aio.ActivityFuture[Thumb])


def area(width: float, height: float) -> float:
    return width * height


def pools(pool: PoolExecutor) -> None:
    assert_type(pool.submit(area, 1, height=2).result(), float)
    assert_type(list(pool.map(area, [1.0], [2.0], chunksize=2)), list[float])
    assert_type(pool.options(timeout=3, max_retries=1).submit(area, 1, 2).result(), float)
    pool.submit(area, "wide", 2)  # wrong
    pool.submit(area, 1)  # wrong
    pool.options(timout=3)  # wrong
