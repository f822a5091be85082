"""Handlers that start other activities and wait for them."""

from __future__ import annotations

import os
import threading
import time
from typing import Any

from notes import App, note, wait_for

from rrqmp.client.batch import as_completed
from rrqmp.client.executor import ActivityExecutor
from rrqmp.errors import Retry
from rrqmp.handling.context import ActivityContext

engine = App()


@engine.add
def leaf(payload: Any, context: ActivityContext) -> int:
    note(payload, context)
    return 1


@engine.add
def hold(payload: Any, context: ActivityContext) -> int:
    note(payload, context)
    wait_for(lambda: os.path.exists(payload["gate"]))
    return 1


@engine.add
def nested(depth: int, context: ActivityContext) -> int:
    """Waits for one like itself, so many deep."""
    if depth == 0:
        return 0
    return 1 + context.activity_executor.execute("nested", depth - 1).get_result()


@engine.add
def fan(count: int, context: ActivityContext) -> int:
    """Waits for many at once."""
    return sum(context.activity_executor.execute_many("nested", [0] * count).results()) + count


@engine.add
def fib(n: int, context: ActivityContext) -> int:
    """The worst of all ways: a process for each call."""
    if n < 2:
        return n
    children = [context.activity_executor.execute("fib", smaller) for smaller in (n - 1, n - 2)]
    return sum(child.get_result() for child in children)


@engine.add
def many_short(payload: Any, context: ActivityContext) -> int:
    """Waits for one short activity after another."""
    for _ in range(payload["count"]):
        context.activity_executor.execute("nested", 0).get_result()
    note(payload, context, "done")
    return 0


@engine.add
def parent(payload: Any, context: ActivityContext) -> int:
    """Writes a line and waits for a child that waits for a file."""
    child = context.activity_executor.execute("hold", payload, key="child")
    note(payload, context, child.activity_id)
    return child.get_result()


@engine.add
def keyed(payload: Any, context: ActivityContext) -> int:
    """Starts children under keys and, in its first attempt, waits to be killed."""
    children = context.activity_executor.execute_many("leaf", [payload] * payload["count"], key=_key())
    note(payload, context, " ".join(child.activity_id for child in children))
    if context.attempt == 1:
        wait_for(lambda: False)
    return sum(child.get_result() for child in as_completed(children))


def _key() -> Any:
    numbers = iter(range(10**6))
    return lambda _: str(next(numbers))


@engine.add
def own_client(payload: Any, context: ActivityContext) -> int:
    """Waits through a client that rrqmp did not open for it, in a thread."""
    got: list[int] = []

    def ask() -> None:
        with ActivityExecutor.connect(payload["url"], context.queue_name) as executor:
            got.append(executor.execute("nested", payload["depth"]).get_result())

    thread = threading.Thread(target=ask)
    thread.start()
    thread.join()
    return got[0]


@engine.add
def leaves_a_thread(payload: Any, context: ActivityContext) -> int:
    """Returns while a thread of it waits on."""
    child = context.activity_executor.execute("hold", payload)
    note(payload, context, child.activity_id)
    threading.Thread(target=child.get_result, daemon=True).start()
    time.sleep(0.05)
    return 0


@engine.add
async def async_parent(payload: Any, context: ActivityContext) -> int:
    """Waits for children on a loop, which wait themselves."""
    batch = await context.activity_executor.execute_many("nested", [payload["depth"]] * 2)
    return sum(await batch.results())


@engine.add
def stumbles(payload: Any, context: ActivityContext) -> int:
    """Needs a second attempt."""
    if context.attempt == 1:
        raise Retry("once more", delay=0.01)
    return 1


@engine.add
def waits_for_stumbling(count: int, context: ActivityContext) -> int:
    return sum(context.activity_executor.execute_many("stumbles", [0] * count).results())
