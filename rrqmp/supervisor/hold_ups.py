"""Giving back what a slot has claimed and not started, when one activity of its batch turns out long."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from rrqmp.errors import StoreError
from rrqmp.shared_state.board import Word
from rrqmp.shared_state.fence import make_fence
from rrqmp.store.aio import AsyncStore
from rrqmp.store.calls.ends import release
from rrqmp.store.keys import QueueKeys
from rrqmp.store.rules import StoreRules
from rrqmp.supervisor.log import LOGGER
from rrqmp.supervisor.worker_handle import WorkerHandle


class HoldUps:
    """Revokes the rest of a batch under the same handshake as a kill, then releases it."""

    def __init__(self, store: AsyncStore, queues: Sequence[QueueKeys], rules: StoreRules) -> None:
        self._store = store
        self._queues = queues
        self._rules = rules
        self._fence = make_fence()
        self._tasks: set[asyncio.Task[None]] = set()
        self.node = ""

    def revoke(self, handle: WorkerHandle, seq: int, claim_seq: int) -> None:
        """Takes the batch's rest away from a worker that is still in activity `seq`; nothing if it has moved on."""
        words, slot = handle.page.words, handle.slot
        if slot is None:
            return
        words[Word.REVOKED] = claim_seq
        self._fence()
        if words[Word.SEQ] != seq or words[Word.ENDED] == seq or words[Word.CLAIM_SEQ] != claim_seq:
            words[Word.REVOKED] = 0
            return
        # The worker reads REVOKED before it starts the next, so from here none of these starts any more.
        ids, place = handle.page.unstarted(), words[Word.QUEUE]
        token = f"{self.node}/{slot.number}.{handle.inc}.{claim_seq}"
        if not ids or place >= len(self._queues):
            return
        task = asyncio.get_running_loop().create_task(self._release(self._queues[place], slot.number, ids, token))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _release(self, keys: QueueKeys, slot: int, ids: Sequence[str], token: str) -> None:
        node = token.rpartition("/")[0]
        try:
            await self._store.run(release(keys, self._rules, node, slot, [(one, token) for one in ids]))
        except StoreError as error:
            LOGGER.error("%d activities of slot %d could not be given back: %s", len(ids), slot, error)
