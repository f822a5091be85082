"""`async def` handlers that submit and wait, and handlers of declared types."""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass
from typing import TypedDict

import msgspec
import pydantic
from notes import App

from rrqmp import aio
from rrqmp.handling.context import ActivityContext

engine = App()


@dataclass
class Plain:
    size: int


class Row(TypedDict):
    size: int


class Struct(msgspec.Struct):
    size: int


class Model(pydantic.BaseModel):
    size: int


@engine.add
def leaf(payload: int, context: ActivityContext) -> int:
    return payload * 2


@engine.add
async def parent(payload: int, context: aio.ActivityContext) -> list[int]:
    """The sum of its children, in the process that ran it; all through one executor."""
    executor = context.activity_executor
    batch = await executor.execute_many("leaf", range(payload), key=str)
    return [await batch[0], *(await asyncio.gather(*batch[1:])), os.getpid()]


@engine.add
async def leaves_tasks(payload: object, context: aio.ActivityContext) -> int:
    """What it leaves behind ends with it; what belongs to the executor does not."""
    future = await context.activity_executor.execute("leaf", 1)
    context_tasks = [asyncio.create_task(asyncio.sleep(3600))]
    await future
    return len(context_tasks)


@engine.add
async def nested(depth: int, context: aio.ActivityContext) -> int:
    """Awaits one like itself, so many deep."""
    return 1 + await (await context.activity_executor.execute("nested", depth - 1)) if depth else 0


@engine.add
async def spoils_the_loop(how: str, context: aio.ActivityContext) -> str:
    """Does to its worker's loop what it can, with a connection of the executor open on it."""
    await context.activity_executor.execute("leaf", 1)
    loop = asyncio.get_running_loop()
    if how == "cancel":
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()
    elif how == "stop":
        loop.call_soon(loop.stop)
        await asyncio.sleep(3600)
    return how


@engine.add
def plain(payload: Plain) -> Plain:
    return payload


@engine.add
def row(payload: Row) -> Row:
    return payload


@engine.add
def struct(payload: Struct) -> Struct:
    return payload


@engine.add
def model(payload: Model) -> Model:
    return payload


@engine.add
def unfit_result(payload: object) -> Plain:
    return Plain("large")  # type: ignore[arg-type]  # what is tested


@engine.add
def no_result(payload: object) -> Plain:
    return None  # type: ignore[return-value]  # what is tested
