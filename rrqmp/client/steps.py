"""Operations of several store calls, described once as a generator of calls and driven by two thin doors.

A generator yields a call and gets its reply back; what it returns is the operation's answer. So blocking and asyncio
clients share every decision.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator
from typing import Any, TypeAlias, TypeVar

from rrqmp.store.script import Call

R = TypeVar("R")
Steps: TypeAlias = Generator[Call[Any], Any, R]


def single(call: Call[R]) -> Steps[R]:
    """An operation of one call."""
    reply: R = yield call
    return reply


def run_steps(run: Callable[[Call[Any]], Any], steps: Steps[R]) -> R:
    """Runs the operation in this thread; an error of a call is raised at its `yield`, which may handle it."""
    try:
        call = next(steps)
        while True:
            try:
                reply = run(call)
            except Exception as error:  # noqa: BLE001 - whatever it is, it is the operation's to handle
                call = steps.throw(error)
            else:
                call = steps.send(reply)
    except StopIteration as end:
        answer: R = end.value
        return answer
    finally:
        # Ctrl-C comes in the middle of a call: what the operation has to put away is put away now.
        steps.close()


async def run_steps_async(run: Callable[[Call[Any]], Awaitable[Any]], steps: Steps[R]) -> R:
    """The same on an event loop; a task that is cancelled closes the operation at its `yield`."""
    try:
        call = next(steps)
        while True:
            try:
                reply = await run(call)
            except Exception as error:  # noqa: BLE001 - as above
                call = steps.throw(error)
            else:
                call = steps.send(reply)
    except StopIteration as end:
        answer: R = end.value
        return answer
    finally:
        steps.close()
