"""Keeping what has ended within its bounds: index entries whose records lapsed, dead letters past the limit."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from typing import Final

from rrqmp.errors import StoreError
from rrqmp.store.aio import AsyncStore
from rrqmp.store.calls.dead_letters import TRIM_BITE, trim
from rrqmp.store.keys import QueueKeys
from rrqmp.supervisor.background import Background

_EVERY_SECONDS: Final = 60.0


class Trimmer(Background):
    """A bite after another, once a minute; every node does it, and twice does no harm."""

    def __init__(self, store: AsyncStore, queues: Sequence[QueueKeys], dead_letter_limit: int) -> None:
        self._store = store
        self._queues = queues
        self._limit = dead_letter_limit

    async def _run(self) -> None:
        while True:
            # Spread, so that the nodes that were started together do not come together.
            await asyncio.sleep(_EVERY_SECONDS * random.uniform(0.5, 1.0))
            for keys in self._queues:
                try:
                    await self._trim(keys)
                except StoreError:
                    # The heartbeat tells of an outage; nothing here is urgent.
                    break

    async def _trim(self, keys: QueueKeys) -> None:
        while True:
            reply = await self._store.run(trim(keys, dead_limit=self._limit))
            if max(reply) < TRIM_BITE:
                return
