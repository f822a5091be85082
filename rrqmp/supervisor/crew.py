"""All worker processes of this supervisor: who fills which slot, who is spare, who follows a death."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import msgspec

from rrqmp.kernel import proc
from rrqmp.kernel.pidfd import open_pidfd
from rrqmp.shared_state import messages
from rrqmp.shared_state.board import Board, KillReason, Page, Word
from rrqmp.shared_state.exit_report import ExitReport, encode_report
from rrqmp.shared_state.messages import Drain, Forked, Go, Leaving, Ready, Settled, Take
from rrqmp.store.calls.cycle import CycleStatus
from rrqmp.supervisor.autopsy import ExitStatus, MemoryKills, examine, reap
from rrqmp.supervisor.backoff import Backoff
from rrqmp.supervisor.ladder import Ladder
from rrqmp.supervisor.log import LOGGER
from rrqmp.supervisor.slots import PendingReport, Slot
from rrqmp.supervisor.template_handle import TemplateHandle
from rrqmp.supervisor.worker_handle import Stage, WorkerHandle

READY_SECONDS: Final = 30.0
# The store lets a worker claim no more: the node has been fenced, and its next beat will say so.
_REFUSALS: Final = (CycleStatus.FENCED.value, CycleStatus.SUPERSEDED.value)
# A leaving worker runs the exit hooks of the application's libraries; it gets no longer than this.
_LEAVE_SECONDS: Final = 3.0


@dataclass(slots=True)
class CrewEvents:
    """What the rest of the supervisor wants to hear."""

    on_death: Callable[[ExitReport], None]
    on_idle_gone: Callable[[], None]
    on_refused: Callable[[], None]
    on_boot_loop: Callable[[str], None]


@dataclass(slots=True, eq=False)
class Crew:
    """Keeps every slot filled and the spares ready, until it is told to drain."""

    board: Board
    ladder: Ladder
    events: CrewEvents
    queues: tuple[str, ...]
    node: str = ""
    slots: list[Slot] = field(default_factory=list)
    spares_wanted: int = 0
    template: TemplateHandle | None = None
    draining: bool = False
    handles: dict[int, WorkerHandle] = field(default_factory=dict)
    _lives: int = 0
    _free: list[Page] = field(default_factory=list)
    _backoff: Backoff = field(default_factory=Backoff)
    _memory_kills: MemoryKills = field(default_factory=MemoryKills)
    _retry: asyncio.TimerHandle | None = None
    _suspended: bool = False
    _empty: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self._free = [page for page in reversed(self.board.pages) if not page.words[Word.REPORT_BYTES]]

    # Filling.

    def staff(self) -> None:
        """Gives every empty slot a process and keeps the spares; does what it can now, and is called again."""
        if self._suspended:
            return
        for slot in self.slots:
            # While it drains, only a report that is still to be settled is worth a process.
            if slot.worker is None and (slot.pending is not None or not self.draining):
                handle = self._spare() or self._fork()
                if handle is None:
                    return
                self._assign(handle, slot)
        while not self.draining and sum(handle.is_spare for handle in self.handles.values()) < self.spares_wanted:
            if self._fork() is None:
                return

    def _spare(self) -> WorkerHandle | None:
        spares = [handle for handle in self.handles.values() if handle.is_spare]
        order = (Stage.READY, Stage.STARTING, Stage.FORKING)
        return min(spares, key=lambda handle: order.index(handle.stage), default=None)

    def _fork(self) -> WorkerHandle | None:
        if self.template is None or not self.template.serves or not self._free:
            return None
        wait = self._backoff.wait_seconds()
        if wait > 0:
            self._staff_later(wait)
            return None
        near, far = messages.pair()
        dump = os.memfd_create("rrqmp-dump", os.MFD_CLOEXEC)
        self._lives += 1
        page = self._free.pop()
        page.clear()
        handle = WorkerHandle(self._lives, page, near, dump, self.template.generation)
        self.handles[handle.life] = handle
        self._empty.clear()
        self.template.fork(handle.life, far.fileno(), dump)
        far.close()
        return handle

    def _staff_later(self, seconds: float) -> None:
        if self._retry is not None:
            self._retry.cancel()
        self._retry = asyncio.get_running_loop().call_later(seconds, self.staff)

    def _assign(self, handle: WorkerHandle, slot: Slot) -> None:
        handle.slot, handle.inc = slot, slot.next_inc()
        slot.worker = handle
        if handle.stage is not Stage.FORKING:
            self._send_take(handle)

    def _send_take(self, handle: WorkerHandle) -> None:
        slot = handle.slot
        if slot is None:
            return
        words = handle.page.words
        words[Word.SLOT], words[Word.INC] = slot.number + 1, handle.inc
        report = encode_report(slot.pending.report) if slot.pending else b""
        self._send(handle, Take(node=self.node, slot=slot.number, inc=handle.inc, report=report))

    def _send(self, handle: WorkerHandle, message: messages.Message) -> None:
        try:
            messages.send(handle.channel, message)
        except BlockingIOError:
            self.ladder.kill(handle)
        except OSError:
            # Dead already; its pidfd says so next.
            pass

    # What the template and the workers say.

    def on_forked(self, message: Forked) -> None:
        """A process is there, or the fork failed."""
        handle = self.handles.get(message.life)
        if handle is None:
            return
        if not message.pid:
            LOGGER.error("a worker could not be forked: %s", os.strerror(message.errno) if message.errno else "no word")
            self._backoff.failed()
            self._discard(handle)
            self._staff_later(self._backoff.wait_seconds())
            return
        loop = asyncio.get_running_loop()
        handle.pid, handle.pidfd, handle.stage = message.pid, open_pidfd(message.pid), Stage.STARTING
        words = handle.page.words
        words[Word.START_TIME] = proc.start_time(message.pid)
        words[Word.PID] = message.pid
        words[Word.GENERATION] = handle.generation
        loop.add_reader(handle.pidfd, self._died, handle)
        loop.add_reader(handle.channel.fileno(), self._read, handle)
        loop.call_later(READY_SECONDS, self._not_ready, handle)
        self._send(handle, Go(page=handle.page.index))
        if handle.slot is not None:
            self._send_take(handle)
        if self._suspended:
            handle.ordered = KillReason.FENCED
            self.ladder.kill(handle)
        elif self.draining:
            self._send_drain(handle)

    def _read(self, handle: WorkerHandle) -> None:
        try:
            message, _ = messages.receive(handle.channel)
        except BlockingIOError:
            return
        except OSError:
            message = None
        match message:
            case None:
                asyncio.get_running_loop().remove_reader(handle.channel.fileno())
                self._lost_channel(handle)
            case Ready():
                handle.stage = max(handle.stage, Stage.READY, key=list(Stage).index)
                self._backoff.succeeded()
            case Settled():
                self._settled(handle)
            case Leaving():
                handle.stage = Stage.LEAVING
                if message.reason in _REFUSALS:
                    self.events.on_refused()
                asyncio.get_running_loop().call_later(_LEAVE_SECONDS, self._linger, handle)
            case _:
                LOGGER.error("worker in %s sent %r: killed", handle, message)
                self.ladder.kill(handle)

    def _lost_channel(self, handle: WorkerHandle) -> None:
        # Mostly its death, which the pidfd tells in a moment. A handler that closed all descriptors looks the same:
        # its worker hears no orders any more and has to be replaced.
        asyncio.get_running_loop().call_later(_LEAVE_SECONDS, self._linger, handle)

    def _linger(self, handle: WorkerHandle) -> None:
        if handle.stage is not Stage.DEAD:
            handle.notes.append("did not leave in time")
            self.ladder.kill(handle)

    def _not_ready(self, handle: WorkerHandle) -> None:
        if handle.stage is Stage.STARTING:
            handle.notes.append(f"not ready within {READY_SECONDS:.0f} s")
            self.ladder.kill(handle)

    def _settled(self, handle: WorkerHandle) -> None:
        slot = handle.slot
        if slot is not None and slot.pending is not None:
            self.clear_pending(slot)

    # Deaths.

    def _died(self, handle: WorkerHandle) -> None:
        status = reap(handle.pid)
        if status is None:
            return
        loop = asyncio.get_running_loop()
        loop.remove_reader(handle.pidfd)
        loop.remove_reader(handle.channel.fileno())
        was_ready = handle.stage in (Stage.READY, Stage.LEAVING)
        # A word sent just before the death still counts.
        self._drain_channel(handle)
        report = examine(handle, status, self.node, self.queues, self._memory_kills)
        handle.stage = Stage.DEAD
        page: Page | None = handle.page
        slot = handle.slot
        if slot is not None and slot.worker is handle:
            slot.worker = None
            page = self._hand_down(slot, report, handle)
        if page is not None:
            self._free.append(page)
        self._close(handle)
        if not was_ready and handle.ordered is KillReason.NONE:
            self._boot_failed(report)
        self.staff()
        self.events.on_death(report)
        if report.broken is None and was_ready:
            self.events.on_idle_gone()

    def _drain_channel(self, handle: WorkerHandle) -> None:
        while True:
            try:
                message, _ = messages.receive(handle.channel)
            except (BlockingIOError, OSError):
                return
            if message is None:
                return
            if isinstance(message, Settled):
                self._settled(handle)

    def _hand_down(self, slot: Slot, report: ExitReport, handle: WorkerHandle) -> Page | None:
        """Leaves the report for the successor; the page that may be used again, if it is not needed for that."""
        if slot.pending is not None:
            # It died over its predecessor's report: the same one again, for the next.
            pending = slot.pending
            pending.report = _one_more_death(pending.report)
            if pending.page is not None:
                pending.page.write_report(encode_report(pending.report))
            return handle.page
        if report.broken is None:
            return handle.page
        kept = handle.page.write_report(encode_report(report))
        slot.pending = PendingReport(report, handle.page if kept else None, time.monotonic())
        return None if kept else handle.page

    def clear_pending(self, slot: Slot) -> None:
        """The slot's report is settled: its page may be used again."""
        pending, slot.pending = slot.pending, None
        if pending is not None and pending.page is not None:
            pending.page.words[Word.REPORT_BYTES] = 0
            self._free.append(pending.page)

    def on_wedged(self, handle: WorkerHandle) -> None:
        """A process that SIGKILL does not end runs no user code any more: its slot goes on without it."""
        slot = handle.slot
        LOGGER.error("%s was killed and is still there: its slot goes on without it", handle)
        if slot is None or slot.worker is not handle:
            return
        status = _unreaped_status()
        report = examine(handle, status, self.node, self.queues, self._memory_kills)
        slot.worker = None
        if report.broken is not None and slot.pending is None:
            slot.pending = PendingReport(report, None, time.monotonic())
        self.events.on_death(report)
        self.staff()

    def _boot_failed(self, report: ExitReport) -> None:
        self._backoff.failed()
        if self._backoff.is_loop:
            self.events.on_boot_loop(f"workers die before they are ready: {report.describe()}")

    def _discard(self, handle: WorkerHandle) -> None:
        """Forgets a process that never was."""
        if handle.slot is not None and handle.slot.worker is handle:
            handle.slot.worker = None
        self._free.append(handle.page)
        self._close(handle)

    def _close(self, handle: WorkerHandle) -> None:
        handle.stage = Stage.DEAD
        self.handles.pop(handle.life, None)
        if not self.handles:
            self._empty.set()
        handle.channel.close()
        os.close(handle.dump)
        if handle.pidfd >= 0:
            os.close(handle.pidfd)

    def on_template_gone(self, generation: int) -> None:
        """Requests that a dead template took along are forgotten; their processes, if any, find no GO and leave."""
        for handle in [one for one in self.handles.values() if one.stage is Stage.FORKING]:
            if handle.generation == generation:
                self._discard(handle)

    # Leaving.

    def drain(self) -> None:
        """Every worker leaves when it is idle; no more are forked, but for reports that are still to be settled."""
        self.draining = True
        for handle in list(self.handles.values()):
            self._send_drain(handle)

    def _send_drain(self, handle: WorkerHandle) -> None:
        handle.page.words[Word.DRAINING] = 1
        if handle.stage is not Stage.FORKING:
            self._send(handle, Drain())

    def suspend(self) -> None:
        """No process is started until `resume`."""
        self._suspended = True

    def resume(self) -> None:
        """Fills the slots again."""
        self._suspended = False
        self.staff()

    async def emptied(self) -> None:
        """Waits until no process is left."""
        if self.handles:
            await self._empty.wait()

    def all_workers(self) -> list[WorkerHandle]:
        """Every process that is not reaped yet."""
        return list(self.handles.values())

    @property
    def busy(self) -> list[WorkerHandle]:
        """Workers that run an activity now."""
        return [handle for handle in self.handles.values() if handle.page.busy]

    def kill_all(self, reason: KillReason) -> None:
        """SIGKILL to every process, charged to nobody."""
        for handle in list(self.handles.values()):
            words = handle.page.words
            if not self.ladder.condemn(handle, words[Word.SEQ], reason):
                # Not busy: nothing to charge anyway, and what it has claimed goes back by the slot's next statement.
                words[Word.REASON], words[Word.CONDEMNED] = reason, words[Word.SEQ]
                handle.ordered = reason
            self.ladder.kill(handle)

    def pids(self) -> set[int]:
        """All processes that are known and not reaped."""
        return {handle.pid for handle in self.handles.values() if handle.pid}

    def dump_target(self, handle: WorkerHandle) -> str:
        """What the link of the worker's dump descriptor must read."""
        return proc.descriptor_target(os.getpid(), handle.dump)


def _one_more_death(report: ExitReport) -> ExitReport:
    return msgspec.structs.replace(report, deaths=report.deaths + 1)


def _unreaped_status() -> ExitStatus:
    return ExitStatus(signal=9, code=0, cpu_seconds=0.0, max_rss_bytes=0)
