"""Settling without a successor: at a stop, after a restart, or when no worker can be started any more.

By the submitter's policy or the default one; no callback runs, since the supervisor holds no user code.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import NamedTuple

from rrqmp.model.retry import RetryPolicy
from rrqmp.shared_state.exit_report import ExitReport
from rrqmp.shared_state.settling import settle_broken
from rrqmp.store.aio import AsyncStore
from rrqmp.store.calls.cycle import Settlement, SlotIdent, cycle
from rrqmp.store.calls.ends import ReclaimCause, reclaim
from rrqmp.store.calls.show import show
from rrqmp.store.keys import QueueKeys
from rrqmp.store.rules import StoreRules


async def settle_slot(
    store: AsyncStore, queues: Sequence[QueueKeys], rules: StoreRules, ident: SlotIdent, report: ExitReport | None
) -> None:
    """Speaks for a slot whose processes are dead: settles the report, gives back the rest. Raises `StoreError`.

    `ident` must be of a process that never was, so that what is still under way from the dead one comes too late.
    """
    for keys in queues:
        settlements: list[Settlement] = []
        if report is not None and report.broken is not None and report.broken.queue == keys.queue:
            record = await store.run(show(keys, report.broken.activity_id))
            if record is not None:
                settlements.append(settle_broken(report, record, RetryPolicy(), random.uniform(-1, 1)))
        await store.run(cycle(keys, rules, ident, seq=1, want=0, settlements=settlements))


class Taken(NamedTuple):
    """How many activities were taken back, and which of them have failed for good by it."""

    many: int
    dead: list[str]


async def take_back(store: AsyncStore, keys: QueueKeys, rules: StoreRules, node: str, cause: ReclaimCause) -> Taken:
    """Takes all that a former node holds in one queue, in bites. Raises `StoreError`."""
    count, dead = 0, list[str]()
    while True:
        reply = await store.run(reclaim(keys, rules, node, cause))
        count += reply.taken
        dead += reply.dead
        if not reply.left:
            return Taken(count, dead)
