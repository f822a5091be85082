"""The page that Prometheus scrapes, gathered a little at a time: whoever makes it watches over deadlines too."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from rrqmp.errors import StoreError
from rrqmp.model.node import SlotState
from rrqmp.store.aio import AsyncStore
from rrqmp.store.calls.depths import BEGIN, Depths, depths
from rrqmp.store.keys import QueueKeys
from rrqmp.store.rules import StoreRules
from rrqmp.supervisor.crew import Crew
from rrqmp.supervisor.describing import state_of
from rrqmp.supervisor.measures import Measures
from rrqmp.supervisor.worker_handle import Stage, Tenure
from rrqmp.telemetry.exposition import Observed, pieces
from rrqmp.telemetry.shared_counts import Counts, CountsFile
from rrqmp.telemetry.vocabulary import MetricName

# Redis is asked at most so often, however often somebody scrapes, and waited for no longer than this; without its
# answer the page says so, and tells the rest.
_ASK_SECONDS: Final = 3.0
_WAIT_SECONDS: Final = 1.0
# A page is handed out again for so long: a hundred scrapers cost no more than a few.
_FRESH_SECONDS: Final = 0.2
# While one process dies after another, the last try goes through without a break.
_SUMS_MOST: Final = 4


@dataclass(frozen=True, slots=True)
class _QueueDepth:
    waiting: int
    first: Depths


class Scraper:
    """Makes pages for one node."""

    def __init__(
        self,
        measures: Measures,
        counts: CountsFile,
        crew: Crew,
        store: AsyncStore,
        queues: Sequence[QueueKeys],
        rules: StoreRules,
    ) -> None:
        self._measures = measures
        self._counts = counts
        self._crew = crew
        self._store = store
        self._queues = queues
        self._rules = rules
        self._depths: dict[str, _QueueDepth] = {}
        self._asked_at = float("-inf")
        self._page = b""
        self._made_at = float("-inf")
        self._making: asyncio.Task[bytes] | None = None

    async def page(self) -> bytes:
        """The page of this moment; whoever asks while one is being made gets that one."""
        if time.monotonic() - self._made_at < _FRESH_SECONDS:
            return self._page
        if self._making is None or self._making.done():
            self._making = asyncio.get_running_loop().create_task(self._make())
        # A scraper that goes away must not take the page from the others.
        return await asyncio.shield(self._making)

    async def stop(self) -> None:
        """Ends what is under way."""
        if self._making is not None:
            self._making.cancel()
            await asyncio.gather(self._making, return_exceptions=True)

    async def _make(self) -> bytes:
        if time.monotonic() - self._asked_at >= _ASK_SECONDS:
            await self._ask()
        counts = await self._sum()
        made: list[bytes] = []
        for piece in pieces(self._counts.table, counts, self._observe()):
            made.append(piece)
            await asyncio.sleep(0)
        self._page, self._made_at = b"".join(made), time.monotonic()
        return self._page

    async def _sum(self) -> Counts:
        """The dead and the living, a region at a time."""
        tries = _SUMS_MOST
        while True:
            tries -= 1
            counts, buried = self._counts.of_the_dead(), self._counts.burials
            for handle in self._crew.roster:
                if handle.stage is not Stage.DEAD:
                    self._counts.add(handle.page.index, counts)
                if tries:
                    await asyncio.sleep(0)
            # Who died meanwhile would be counted with neither, and a counter must never fall.
            if not tries or self._counts.burials == buried:
                return counts

    async def _ask(self) -> None:
        self._asked_at = time.monotonic()
        self._depths.clear()
        try:
            async with asyncio.timeout(_WAIT_SECONDS):
                for keys in self._queues:
                    self._depths[keys.queue] = await self._depth(keys)
        except (StoreError, TimeoutError):
            # The next scrape asks again: an outage is worth seeing the end of.
            self._asked_at = float("-inf")

    async def _depth(self, keys: QueueKeys) -> _QueueDepth:
        first = bite = await self._store.run(depths(keys, self._rules))
        waiting = first.waiting
        while bite.cursor != BEGIN:
            bite = await self._store.run(depths(keys, self._rules, bite.cursor))
            waiting += bite.waiting
        return _QueueDepth(max(0, waiting), first)

    def _observe(self) -> Observed:
        observed = Observed()
        for kind, number in sorted(self._measures.exits.items()):
            observed.put(MetricName.EXITS, number, kind)
        states = Counter(
            SlotState.EMPTY if slot.worker is None else state_of(slot.worker)
            for slot in self._crew.slots
            if slot.tenure is not Tenure.CLOSED
        )
        for state in SlotState:
            observed.put(MetricName.SLOTS, states[state], state.value)
        for queue, depth in self._depths.items():
            by_state = {
                "pending": depth.waiting,
                "running": depth.first.running,
                "scheduled": depth.first.scheduled,
                "dead_letter": depth.first.dead_letters,
            }
            for status, number in by_state.items():
                observed.put(MetricName.DEPTH, number, queue, status)
            observed.put(MetricName.OLDEST_AGE, depth.first.oldest_us / 1e6, queue)
        observed.put(MetricName.REDIS_UP, len(self._depths) == len(self._queues))
        return observed
