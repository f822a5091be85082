"""The sign of life: renews this node's lease on every queue, repairs wake-ups, takes over nodes that fell silent."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Final

from rrqmp.errors import StoreError
from rrqmp.store.aio import AsyncStore
from rrqmp.store.calls.cancel import CancelOrder
from rrqmp.store.calls.ends import ReclaimCause
from rrqmp.store.calls.heartbeat import HeartbeatReply, heartbeat, wake
from rrqmp.store.keys import QueueKeys
from rrqmp.store.rules import StoreRules
from rrqmp.supervisor.log import LOGGER
from rrqmp.supervisor.settlement import take_back

# Three beats fit into a lease, so that one lost beat costs nothing.
_BEATS: Final = 3
_RETRY_SECONDS: Final = 0.25


@dataclass(slots=True)
class LeaseEvents:
    """What the rest of the supervisor hears of a beat; `on_fenced` takes the node through a new joining."""

    on_fenced: Callable[[], Awaitable[None]]
    on_due: Callable[[QueueKeys, int | None, int], None]
    on_cancels: Callable[[Mapping[str, CancelOrder]], Collection[str]]
    on_lost: Callable[[str, list[str]], None]


@dataclass(slots=True, eq=False)
class Lease:
    """One beat after another for each queue; a queue whose server is away is asked again until it is back."""

    store: AsyncStore
    queues: tuple[QueueKeys, ...]
    rules: StoreRules
    types: tuple[str, ...]
    slots: Callable[[], Collection[int]]
    events: LeaseEvents
    node: str = ""
    _tasks: list[asyncio.Task[None]] = field(default_factory=list)
    _nudges: dict[str, asyncio.Event] = field(default_factory=dict)
    _down_since: float | None = None

    async def join(self) -> None:
        """Enters the node's present boot at every queue; nothing may be claimed before. Raises `StoreError`."""
        for keys in self.queues:
            await self._beat(keys, joining=True)

    def start(self) -> None:
        """Begins to beat."""
        for keys in self.queues:
            self._nudges[keys.queue] = asyncio.Event()
            self._tasks.append(asyncio.get_running_loop().create_task(self._run(keys)))

    async def stop(self) -> None:
        """Stops beating; the lease itself stays until it is given back or runs out."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()

    @property
    def is_up(self) -> bool:
        """Whether Redis answered the last beat."""
        return self._down_since is None

    def nudge(self) -> None:
        """Asks for a beat of every queue now."""
        for event in self._nudges.values():
            event.set()

    async def repair_wakes(self) -> None:
        """Makes up for a wake-up token that a worker may have taken along when it left."""
        for keys in self.queues:
            try:
                await self.store.run(wake(keys, self.types))
            except StoreError:
                # The next beat repairs it as well.
                self.nudge()

    async def take_back(self, node: str, cause: ReclaimCause) -> int:
        """Takes all that a former node holds, in bites; how many activities that were. Raises `StoreError`."""
        return sum([await self._take_back(keys, node, cause) for keys in self.queues])

    async def _take_back(self, keys: QueueKeys, node: str, cause: ReclaimCause) -> int:
        taken = await take_back(self.store, keys, self.rules, node, cause)
        self.events.on_lost(keys.queue, taken.dead)
        return taken.many

    async def _run(self, keys: QueueKeys) -> None:
        nudge = self._nudges[keys.queue]
        while True:
            # Not wait_for, which in 3.11 swallows a cancellation that comes in the same turn as the nudge.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self.rules.lease / _BEATS):
                    await nudge.wait()
            nudge.clear()
            try:
                await self._beat(keys, joining=False)
            except StoreError as error:
                self._went_down(error)
                await asyncio.sleep(_RETRY_SECONDS)
                nudge.set()
            except Exception:  # noqa: BLE001 - a bug here must not end the beats
                # Every activity of the node would be taken for lost.
                LOGGER.exception("a heartbeat of queue %s failed", keys.queue)

    async def _beat(self, keys: QueueKeys, *, joining: bool) -> None:
        node = self.node
        reply = await self.store.run(heartbeat(keys, self.rules, node, joining=joining, slots=self.slots()))
        self._came_back()
        if reply.fenced and node == self.node:
            LOGGER.warning("node %s was silent for longer than its lease and has been fenced", node)
            await self.events.on_fenced()
            return
        self.events.on_due(keys, reply.next_due_us, reply.now_us)
        await self._acknowledge(keys, node, reply)
        for expired in reply.expired_nodes:
            taken = await self._take_back(keys, expired, ReclaimCause.LOSS)
            LOGGER.warning("node %s of queue %s is lost: %d activities taken back", expired, keys.queue, taken)

    async def _acknowledge(self, keys: QueueKeys, node: str, reply: HeartbeatReply) -> None:
        if not reply.cancels:
            return
        done = self.events.on_cancels(reply.cancels)
        if done:
            await self.store.run(
                heartbeat(keys, self.rules, node, joining=False, slots=self.slots(), done_cancels=tuple(done))
            )

    def _went_down(self, error: StoreError) -> None:
        if self._down_since is None:
            self._down_since = time.monotonic()
            LOGGER.error("Redis is out of reach, workers finish what they run and wait: %s", error)

    def _came_back(self) -> None:
        if self._down_since is not None:
            away, self._down_since = time.monotonic() - self._down_since, None
            LOGGER.warning("Redis is back after %.1f s", away)
