"""One node at work: its crew, its watch over deadlines, its lease, and what binds them to each other."""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Final

from rrqmp.errors import StoreError
from rrqmp.settings.table import Settings
from rrqmp.shared_state.board import Board, Head, KillReason, Word
from rrqmp.shared_state.exit_report import ExitReport
from rrqmp.store.aio import AsyncStore
from rrqmp.store.calls.cycle import SlotIdent
from rrqmp.store.calls.ends import ReclaimCause
from rrqmp.store.calls.hasten import awaited
from rrqmp.store.keys import QueueKeys
from rrqmp.store.rules import StoreRules
from rrqmp.supervisor.application import Application, TemplateEvents
from rrqmp.supervisor.cancels import Cancels
from rrqmp.supervisor.crew import Crew, CrewEvents
from rrqmp.supervisor.deadlines import DeadlineWatch
from rrqmp.supervisor.describing import Describer
from rrqmp.supervisor.due_timer import DueTimer
from rrqmp.supervisor.hold_ups import HoldUps
from rrqmp.supervisor.ladder import Ladder
from rrqmp.supervisor.lease import Lease, LeaseEvents
from rrqmp.supervisor.listening import Listener
from rrqmp.supervisor.log import LOGGER
from rrqmp.supervisor.measures import Measures
from rrqmp.supervisor.node_board import take_over
from rrqmp.supervisor.obituary import announce
from rrqmp.supervisor.owed_callbacks import OwedCallbacks
from rrqmp.supervisor.preparation import spares_of, worker_config
from rrqmp.supervisor.progress import ProgressPublisher
from rrqmp.supervisor.settlement import settle_slot
from rrqmp.supervisor.sweep import Sweep
from rrqmp.supervisor.template_handle import TemplateHandle
from rrqmp.supervisor.trimming import Trimmer
from rrqmp.supervisor.waiting import Compensation
from rrqmp.supervisor.worker_handle import Slot, WorkerHandle

# After a crash this node claims one at a time for so long: what a batch had finished dies with the process.
_SINGLY_NS: Final = 60_000_000_000
_SUCCESSOR_SECONDS: Final = 30.0
_REJOIN_RETRY_SECONDS: Final = 0.5
_REAP_SECONDS: Final = 2.0
_SETTLE_RETRY_SECONDS: Final = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeParts:
    """What must stand before a node can begin."""

    settings: Settings
    rules: StoreRules
    queues: tuple[QueueKeys, ...]
    types: tuple[str, ...]
    store: AsyncStore
    board: Board
    application: Application
    mark: str
    children: Callable[[], set[int]]
    on_boot_loop: Callable[[str], None]
    measures: Measures


class Node:
    """`open` joins the queues and fills the slots; `rejoin` begins anew after a fence; the stop is `Stopping`'s."""

    def __init__(self, parts: NodeParts) -> None:
        self.parts = parts
        self._wake = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._rejoining = False
        self._stopping = False
        self._tasks: set[asyncio.Task[None]] = set()
        self.ladder = Ladder(self._on_wedged)
        names = tuple(keys.queue for keys in parts.queues)
        events = CrewEvents(
            self._on_death,
            self._on_idle_gone,
            self._on_refused,
            parts.on_boot_loop,
            on_reaped=parts.measures.reaped,
        )
        self.crew = Crew(parts.board, self.ladder, events, names)
        self.crew.slots = [Slot(number) for number in range(parts.settings.max_workers)]
        self.compensation = Compensation(self.crew, parts.settings.max_waiting, self._is_awaited)
        self.cancels = Cancels(self.crew, self.ladder, parts.settings.cancel_grace)
        self.hold_ups = HoldUps(parts.store, parts.queues, parts.rules)
        self.owed = OwedCallbacks(self.crew, parts.queues)
        self.watch = DeadlineWatch(
            parts.board.head,
            self._wake,
            self.ladder,
            lambda: self.crew.roster,
            self.hold_ups.revoke,
            self._on_looked,
        )
        self.sweep = Sweep(self._known, parts.application.pids)
        self.due = {keys.queue: DueTimer(parts.store, keys, parts.rules) for keys in parts.queues}
        self.lease = Lease(
            parts.store,
            parts.queues,
            parts.rules,
            parts.types,
            # All that there may ever be, also while they are closed: a beat that is under way when one opens must not
            # take it for vanished and give back what it runs.
            lambda: range(parts.settings.max_workers + parts.settings.max_waiting),
            LeaseEvents(self.rejoin, self._on_due, self.cancels.heartbeat, self.owed.add),
        )
        self.trimmer = Trimmer(parts.store, parts.queues, parts.settings.dead_letter_limit)
        self.describer = Describer(parts.store, parts.queues, parts.rules.lease, self.crew)
        self.progress = ProgressPublisher(parts.store, parts.queues, self.crew)
        self._listener: Listener | None = None

    async def open(self) -> None:
        """Joins under a new boot, then lets the template fork. Raises `StoreError`."""
        parts = self.parts
        await self._join()
        config = worker_config(parts.settings, parts.rules, parts.types)
        events = TemplateEvents(self.crew.on_forked, self._on_template, self._on_template_gone, parts.on_boot_loop)
        counts = parts.measures.counts
        parts.application.configure(
            config, parts.board.descriptor, self._wake, events, counts=counts.descriptor if counts else None
        )
        self.lease.start()
        self.trimmer.start()
        self.describer.start()
        self.progress.start()
        self.watch.start()

    async def _join(self) -> None:
        parts = self.parts
        boot = secrets.token_hex(8)
        name = f"{parts.settings.node}@{boot}"
        take_over(parts.board, parts.settings.node, boot, parts.mark)
        self.crew.node = self.lease.node = self.hold_ups.node = name
        await self.lease.join()
        self._listener = Listener(
            parts.settings.redis_url,
            parts.queues,
            name,
            on_due=lambda keys: self.due[keys.queue].fire(),
            # A beat brings the cancels that nobody could hear of.
            on_connected=self.lease.nudge,
            on_cancel=self.cancels.hear,
        )
        self._listener.start()

    async def rejoin(self) -> None:
        """Fenced: somebody else has, or will have, our activities. Kills all, keeps nothing, joins under a new boot."""
        if self._rejoining or self._stopping:
            return
        self._rejoining = True
        former = self.crew.node
        try:
            self.crew.suspend()
            self.crew.kill_all(KillReason.FENCED)
            # A process that sleeps in the kernel runs no user code any more; what it held is taken back like the rest.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_REAP_SECONDS):
                    await self.crew.roster.emptied()
            if self._listener is not None:
                await self._listener.stop()
            for slot in self.crew.slots:
                self.crew.succession.settled(slot)
                slot.inc = 0
            while not await self._joined_again(former):
                await asyncio.sleep(_REJOIN_RETRY_SECONDS)
        finally:
            self._rejoining = False
        self.crew.resume()

    async def _joined_again(self, former: str) -> bool:
        try:
            # All of its processes are reaped, which is what the lock proves after a restart.
            await self.lease.take_back(former, ReclaimCause.RESTART)
            await self._join()
        except StoreError as error:
            LOGGER.warning("joining again waits for Redis: %s", error)
            return False
        LOGGER.warning("joined again as %s", self.crew.node)
        return True

    async def close(self) -> None:
        """Ends the watch, the beats and the timers; the processes are gone by then."""
        self._stopping = True
        for task in self._tasks:
            task.cancel()
        self.watch.stop()
        await self.compensation.stop()
        for timer in self.due.values():
            timer.stop()
        if self._listener is not None:
            await self._listener.stop()
        await self.trimmer.stop()
        await self.describer.stop()
        await self.progress.stop()
        await self.lease.stop()
        os.close(self._wake)

    # What the parts tell each other.

    def _on_looked(self) -> None:
        self.compensation.look()
        self.owed.look()

    def _on_wedged(self, handle: WorkerHandle) -> None:
        self.crew.on_wedged(handle)

    def _known(self) -> set[int]:
        return self.crew.roster.pids() | self.parts.application.pids() | self.parts.children()

    def _on_template(self, handle: TemplateHandle) -> None:
        self.crew.template = handle
        self.crew.spares_wanted = spares_of(self.parts.settings, handle.resident_bytes)
        self.crew.staff()

    def _on_template_gone(self, generation: int) -> None:
        self.crew.template = None
        self.crew.on_template_gone(generation)
        # What the application's import had started and what fled the template's group.
        self.sweep.start()

    def _on_death(self, report: ExitReport) -> None:
        announce(report, is_extra=report.slot is not None and report.slot >= self.parts.settings.max_workers)
        self.parts.measures.died(report)
        self.sweep.start()
        self.compensation.look()
        if report.broken is not None:
            self.parts.board.head[Head.SINGLY_UNTIL] = time.monotonic_ns() + _SINGLY_NS
            self._begin(self._settle_unheard(report))

    async def _settle_unheard(self, report: ExitReport) -> None:
        """Settles this death itself if no successor does: the template is broken, or the workers do not start."""
        await asyncio.sleep(_SUCCESSOR_SECONDS)
        for slot in self.crew.slots:
            while self._waits_for_successor(slot, report):
                try:
                    await self.settle_empty(slot)
                except StoreError:
                    # The heartbeat tells of the outage.
                    await asyncio.sleep(_SETTLE_RETRY_SECONDS)

    def _waits_for_successor(self, slot: Slot, report: ExitReport) -> bool:
        pending = slot.pending
        return pending is not None and pending.report.pid == report.pid and slot.worker is None and not self._stopping

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        """Runs beside everything else; kept, since the loop itself keeps no task alive."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def settle_empty(self, slot: Slot) -> None:
        """Speaks for a slot without a process: settles its report, gives back what it holds. Raises `StoreError`."""
        report = slot.pending.report if slot.pending else None
        ident = SlotIdent(self.crew.node, slot.number, slot.next_inc())
        await settle_slot(self.parts.store, self.parts.queues, self.parts.rules, ident, report)
        self.crew.succession.settled(slot)
        if report is not None and report.broken is not None:
            self.owed.add(report.broken.queue, [report.broken.activity_id])

    async def _is_awaited(self) -> bool:
        """Whether what a handler here waits for stands ready in front of its queue. Raises `StoreError`."""
        pages = [handle.page for handle in self.crew.roster if handle.page.waiting]
        for place, keys in enumerate(self.parts.queues):
            waiters = [page.activity_id().strip() for page in pages if page.words[Word.QUEUE] == place]
            if not waiters:
                continue
            if await self.parts.store.run(awaited(keys, self.parts.types, waiters)):
                return True
        return False

    def _on_idle_gone(self) -> None:
        if not self._stopping:
            self._begin(self.lease.repair_wakes())

    def _on_refused(self) -> None:
        # Now and not at the next beat: until then every new worker would be refused too.
        self.lease.nudge()

    def _on_due(self, keys: QueueKeys, next_due_us: int | None, now_us: int) -> None:
        self.due[keys.queue].learn(next_due_us, now_us)
