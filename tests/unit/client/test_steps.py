"""One description of an operation, driven from a thread and from an event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from rrqmp.client.steps import Steps, run_steps, run_steps_async, single
from rrqmp.store.script import Call, make_script


def call(name: str) -> Call[str]:
    return Call(make_script(name, ""), (), (), str)


def echo(asked: Call[Any]) -> str:
    if asked.script.name == "broken":
        raise ConnectionError("away")
    return asked.script.name


async def echo_later(asked: Call[Any]) -> str:
    await asyncio.sleep(0)
    return echo(asked)


def on_a_loop(steps: Steps[Any], run: Callable[[Call[Any]], Awaitable[Any]] = echo_later) -> Any:
    return asyncio.run(run_steps_async(run, steps))


def in_a_thread(steps: Steps[Any]) -> Any:
    return run_steps(echo, steps)


DOORS = pytest.mark.parametrize("drive", [in_a_thread, on_a_loop])


@DOORS
def test_replies_come_back_to_the_steps_and_their_return_is_the_answer(drive: Callable[[Steps[Any]], Any]) -> None:
    def two() -> Steps[str]:
        first = yield call("a")
        second = yield call(first + "b")
        return first + second

    assert drive(two()) == "aab"
    assert drive(single(call("one"))) == "one"


@DOORS
def test_error_of_a_call_is_raised_at_its_place_and_may_be_handled(drive: Callable[[Steps[Any]], Any]) -> None:
    def mending() -> Steps[str]:
        try:
            yield call("broken")
        except ConnectionError:
            return (yield call("mended"))
        return "not reached"

    assert drive(mending()) == "mended"
    with pytest.raises(ConnectionError, match="away"):
        drive(single(call("broken")))


def test_cancelled_task_lets_the_steps_put_away_what_they_hold() -> None:
    closed = []

    def holding() -> Steps[None]:
        try:
            yield call("long")
        finally:
            closed.append(True)

    async def cancelled(asked: Call[Any]) -> None:
        raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        on_a_loop(holding(), cancelled)
    assert closed
