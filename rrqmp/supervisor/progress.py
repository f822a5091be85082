"""What handlers say of their progress, from the board to Redis: a few times a second, and only what has changed.

A handler pays microseconds for a word, however often it speaks; what it said in between is never sent.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Final, NamedTuple

from rrqmp.errors import WorkerError
from rrqmp.model.progress import WHOLE, Progress, encode_progress
from rrqmp.shared_state.board import PROGRESS_NONE, Word
from rrqmp.store.aio import AsyncStore
from rrqmp.store.calls.attempt_notes import PROGRESS_BITE, publish_progress
from rrqmp.store.keys import QueueKeys
from rrqmp.supervisor.background import Background
from rrqmp.supervisor.crew import Crew
from rrqmp.supervisor.log import LOGGER
from rrqmp.supervisor.worker_handle import WorkerHandle

_EVERY_SECONDS: Final = 0.25


class _News(NamedTuple):
    life: int
    reports: int
    place: int
    item: tuple[str, str, bytes]


class ProgressPublisher(Background):
    """Publishes for all workers of a crew, in one call a queue; a tick without news is a look at one word a worker."""

    def __init__(self, store: AsyncStore, queues: Sequence[QueueKeys], crew: Crew) -> None:
        self._store = store
        self._queues = queues
        self._crew = crew
        # By the number of a process's life: the count of its last report that is published.
        self._published: dict[int, int] = {}

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(_EVERY_SECONDS)
            try:
                await self._publish(self._news())
            except WorkerError:
                # Redis is away, which the heartbeat tells of, or full: the next tick tries what is news then.
                pass
            except Exception:  # noqa: BLE001 - what a handler wrote on its page must not end the node
                LOGGER.exception("progress could not be published")

    async def _publish(self, news: Sequence[_News]) -> None:
        for place, keys in enumerate(self._queues):
            for bite in _bites([one for one in news if one.place == place]):
                await self._store.run(publish_progress(keys, [one.item for one in bite]))
                self._published.update((one.life, one.reports) for one in bite)

    def _news(self) -> list[_News]:
        workers = list(self._crew.roster)
        self._published = {one.life: self._published.get(one.life, 0) for one in workers}
        found = (self._news_of(handle) for handle in workers)
        return [news for news in found if news is not None]

    def _news_of(self, handle: WorkerHandle) -> _News | None:
        slot, page = handle.slot, handle.page
        words = page.words
        count, seq = words[Word.PROGRESS_COUNT], words[Word.SEQ]
        if slot is None or count == self._published[handle.life] or not (found := page.read_progress()):
            return None
        share, message = found
        progress = Progress(
            None if share == PROGRESS_NONE else min(share, WHOLE) / WHOLE,
            message.decode("utf-8", "replace"),
            time.time(),
        )
        token = f"{self._crew.node}/{slot.number}.{handle.inc}.{words[Word.CLAIM_SEQ]}"
        news = _News(
            handle.life, count, words[Word.QUEUE], (page.activity_id().strip(), token, encode_progress(progress))
        )
        # The next activity may have begun during the look; what it says is found at the next tick.
        return news if words[Word.SEQ] == seq else None


def _bites(news: Sequence[_News]) -> list[Sequence[_News]]:
    return [news[at : at + PROGRESS_BITE] for at in range(0, len(news), PROGRESS_BITE)]
