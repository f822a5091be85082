"""An application whose author tests it."""

from __future__ import annotations

from dataclasses import dataclass

from rrqmp import UNLIMITED, ActivityContext, ActivityExecutor, NonRetry, Retry, WorkerEngine, aio

engine = WorkerEngine(queue_name="shop", redis_url="redis://production.invalid:6379")
# As careless applications have it: an executor for life, made at import.
executor = ActivityExecutor.connect("redis://production.invalid:6379", "shop")
told: list[str] = []


@dataclass
class Order:
    number: int
    amount: float


@engine.activity("charge", timeout=5)
def charge(order: Order, context: ActivityContext) -> float:
    if order.amount < 0:
        raise NonRetry(f"an amount of {order.amount}")
    if context.retry_count < order.number % 3:
        raise Retry("the bank is busy")
    return order.amount * 1.2


@engine.activity("ship")
def ship(order: Order, context: ActivityContext) -> float:
    told.append(f"ship {order.number}")
    return context.activity_executor.execute(charge, order, key="charge").get_result(timeout=10)


@engine.activity("greet")
async def greet(name: str) -> str:
    return f"hello {name}"


@engine.activity("greet_all")
async def greet_all(names: list[str], context: aio.ActivityContext) -> list[str]:
    batch = await context.activity_executor.execute_many(greet, names)
    return [await future for future in batch]


@engine.activity("resume")
def resume(payload: None, context: ActivityContext) -> object:
    if context.attempt == 1:
        context.save_checkpoint([1])
        context.progress(0.5, "half")
        raise Retry("again")
    return context.checkpoint


@engine.activity("give_up")
def give_up(payload: None, context: ActivityContext) -> list[bool]:
    before = context.cancel_token.is_cancelled()
    executor.cancel(context.activity_id)
    return [before, context.cancel_token.is_cancelled()]


@engine.activity("never_done", max_retries=UNLIMITED)
def never_done(payload: None) -> None:
    raise Retry("again")


@engine.activity("dig")
def dig(depth: int, context: ActivityContext) -> None:
    context.activity_executor.execute("dig", depth + 1).get_result(timeout=10)


@engine.activity("interrupted")
def interrupted(payload: None) -> None:
    raise KeyboardInterrupt


def sign_up(name: str) -> None:
    executor.execute("greet", name, delay=3600, metadata={"from": "sign_up"}, key=name)
