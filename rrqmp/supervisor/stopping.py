"""The stop, in phases with limits: drain, kill, reap, release, say goodbye. A second wish skips the wait.

Kill, reap, then release, in this order: released first, an activity would run elsewhere while the old process still
writes its files.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, Final

from rrqmp.errors import StoreError
from rrqmp.shared_state.board import Head, KillReason, WorkerState
from rrqmp.shared_state.exit_codes import ExitCode
from rrqmp.store.calls.ends import ReclaimCause
from rrqmp.supervisor.log import LOGGER
from rrqmp.supervisor.node import Node

# What is left to say to Redis at the end; if it is away, the lease runs out by itself.
_GOODBYE_SECONDS: Final = 2.0
_REAP_SECONDS: Final = 1.5


async def stop(node: Node, hurry: asyncio.Event) -> ExitCode:
    """Takes the node down. `hurry` is set by the second wish to stop."""
    timeout = node.parts.settings.shutdown_timeout
    crew = node.crew
    node.parts.board.head[Head.DRAINING] = 1
    busy = _running(node)
    LOGGER.info("stopping: %s", f"{busy} running, up to {timeout:g} s to finish" if busy else "nothing is running")
    crew.drain()
    await _first(crew.roster.emptied(), hurry.wait(), timeout)
    if len(crew.roster):
        given_back, late = _running(node), len(crew.roster)
        crew.kill_all(KillReason.RELEASED)
        try:
            async with asyncio.timeout(_REAP_SECONDS):
                await crew.roster.emptied()
        except TimeoutError:
            LOGGER.error("these processes sleep in the kernel and are left: %s", sorted(crew.roster.pids()))
        if given_back:
            LOGGER.info(
                "%d running activities go back to the head of the queue, their attempts not counted", given_back
            )
        else:
            LOGGER.info("nothing was running any more: %d workers had not left in time", late)
    node.sweep.start()
    await node.sweep.finish()
    try:
        async with asyncio.timeout(_GOODBYE_SECONDS):
            await _say_goodbye(node)
    except (StoreError, TimeoutError):
        LOGGER.error("Redis is away: what was running goes back when the lease of %s has run out", crew.node)
        return ExitCode.BUG
    return ExitCode.STOPPED


def _running(node: Node) -> int:
    """How many run an activity, and no hook or callback."""
    return sum(handle.page.state is WorkerState.RUNNING for handle in node.crew.roster.busy)


async def _say_goodbye(node: Node) -> None:
    """Settles what is left for every slot and takes the node off the list."""
    await node.lease.stop()
    for slot in node.crew.slots:
        await node.settle_empty(slot)
    await node.lease.take_back(node.crew.node, ReclaimCause.RESTART)


async def _first(emptied: Coroutine[Any, Any, object], hurried: Coroutine[Any, Any, object], seconds: float) -> None:
    tasks = [asyncio.ensure_future(one) for one in (emptied, hurried)]
    await asyncio.wait(tasks, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
