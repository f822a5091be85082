"""The timer of the next due activity: promotes when it has come, in bites, until nothing is due."""

from __future__ import annotations

import asyncio
from typing import Final

from rrqmp.errors import StoreError
from rrqmp.store.aio import AsyncStore
from rrqmp.store.calls.promote import PROMOTE_BITE, promote
from rrqmp.store.keys import QueueKeys
from rrqmp.store.rules import StoreRules
from rrqmp.supervisor.log import LOGGER

_RETRY_SECONDS: Final = 0.25
# A timer armed far ahead is of no use: the heartbeat tells the time again long before.
_FARTHEST_SECONDS: Final = 3600.0


class DueTimer:
    """Of one queue. Times are the server's clock; only differences from its own `now` are used."""

    def __init__(self, store: AsyncStore, keys: QueueKeys, rules: StoreRules) -> None:
        self._store = store
        self._keys = keys
        self._rules = rules
        self._timer: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[None] | None = None
        self._again = False

    def learn(self, next_due_us: int | None, now_us: int) -> None:
        """Takes what a script said of the earliest due time; nothing is due where it said none."""
        self._disarm()
        if next_due_us is not None:
            seconds = min(_FARTHEST_SECONDS, max(0.0, (next_due_us - now_us) / 1_000_000))
            self._timer = asyncio.get_running_loop().call_later(seconds, self.fire)

    def fire(self) -> None:
        """Promotes now; also when a client has told of an earlier due time."""
        if self._task is not None and not self._task.done():
            self._again = True
            return
        self._task = asyncio.get_running_loop().create_task(self._promote())

    def stop(self) -> None:
        """Forgets the timer."""
        self._disarm()
        if self._task is not None:
            self._task.cancel()

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    async def _promote(self) -> None:
        while True:
            self._again = False
            try:
                reply = await self._store.run(promote(self._keys, self._rules))
            except StoreError as error:
                LOGGER.debug("promotion waits for Redis: %s", error)
                await asyncio.sleep(_RETRY_SECONDS)
                continue
            if reply.promoted < PROMOTE_BITE and not self._again:
                self.learn(reply.next_due_us, reply.now_us)
                return
