"""All worker processes of this supervisor: who fills which slot, who is spare, who follows a death."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from rrqmp.kernel import proc
from rrqmp.kernel.pidfd import open_pidfd
from rrqmp.shared_state import messages
from rrqmp.shared_state.board import Board, Draining, KillReason, Word, WorkerState
from rrqmp.shared_state.exit_report import ExitReport, encode_report
from rrqmp.shared_state.messages import Answer, Drain, Forked, Go, Idle, Take
from rrqmp.supervisor.autopsy import ExitStatus, MemoryKills, examine, reap
from rrqmp.supervisor.boots import Boots
from rrqmp.supervisor.hearing import Hearing, HearingEvents
from rrqmp.supervisor.ladder import Ladder
from rrqmp.supervisor.log import LOGGER
from rrqmp.supervisor.roster import Roster
from rrqmp.supervisor.setup_deaths import SetupDeaths
from rrqmp.supervisor.succession import Succession
from rrqmp.supervisor.template_handle import TemplateHandle
from rrqmp.supervisor.worker_handle import ITS_OWN_FAULT, PendingReport, Slot, Stage, Tenure, WorkerHandle

READY_SECONDS: Final = 30.0
# A fork marks all pages of the template anew and slows the children that share them: the successor goes first.
_NEXT_SPARE_SECONDS: Final = 0.05


@dataclass(slots=True)
class CrewEvents:
    """What the rest of the supervisor wants to hear."""

    on_death: Callable[[ExitReport], None]
    on_idle_gone: Callable[[], None]
    on_refused: Callable[[], None]
    on_boot_loop: Callable[[str], None]
    on_word: Callable[[WorkerHandle, Idle | Answer, list[int]], None] | None = None
    on_reaped: Callable[[WorkerHandle], None] = lambda handle: None


class Crew:
    """Keeps every slot filled and the spares ready, until it is told to drain."""

    def __init__(self, board: Board, ladder: Ladder, events: CrewEvents, queues: tuple[str, ...]) -> None:
        self.node = ""
        self.slots: list[Slot] = []
        self.spares_wanted = 0
        self.template: TemplateHandle | None = None
        self.draining = False
        self.roster = Roster()
        self.succession = Succession(board.pages)
        self._ladder = ladder
        self._events = events
        self._queues = queues
        self._boots = Boots(events.on_boot_loop)
        self._hearing = Hearing(
            ladder, HearingEvents(self._boots.ready, self._settled, events.on_refused, events.on_word)
        )
        self._memory_kills = MemoryKills()
        self._setup_deaths = SetupDeaths()
        self._lives = 0
        self._retry: asyncio.TimerHandle | None = None
        self._suspended = False
        self._no_spare_before = 0.0

    # Filling.

    def staff(self) -> None:
        """Gives every empty slot a process and keeps the spares; does what it can now, and is called again."""
        if self._suspended:
            return
        for slot in self.slots:
            # While it drains, only a report that is still to be settled is worth a process.
            wanted = not self.draining and slot.tenure is not Tenure.CLOSED
            if slot.worker is None and (slot.pending is not None or wanted):
                handle = self._spare() or self._fork()
                if handle is None:
                    return
                self._assign(handle, slot)
        self._keep_spares()

    def _keep_spares(self) -> None:
        while not self.draining and len(self.roster.spares) < self.spares_wanted:
            wait = self._no_spare_before - asyncio.get_running_loop().time()
            if wait > 0:
                self._staff_later(wait)
                return
            if self._fork() is None:
                return

    def _spare(self) -> WorkerHandle | None:
        order = (Stage.READY, Stage.STARTING, Stage.FORKING)
        return min(self.roster.spares, key=lambda handle: order.index(handle.stage), default=None)

    def _fork(self) -> WorkerHandle | None:
        if self.template is None or not self.template.takes_orders or not self.succession.has_page:
            return None
        wait = self._boots.wait_seconds()
        if wait > 0:
            self._staff_later(wait)
            return None
        near, far = messages.pair()
        dump = os.memfd_create("rrqmp-dump", os.MFD_CLOEXEC)
        self._lives += 1
        handle = WorkerHandle(self._lives, self.succession.take_page(), near, dump, self.template.generation)
        self.roster.add(handle)
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
        if slot.tenure is Tenure.CLOSING:
            self.retire(handle)
        handle.page.words[Word.ONCE] = slot.tenure is Tenure.ONCE
        if handle.stage is not Stage.FORKING:
            self._no_spare_before = asyncio.get_running_loop().time() + _NEXT_SPARE_SECONDS
            self._send_take(handle)

    def _send_take(self, handle: WorkerHandle) -> None:
        slot = handle.slot
        if slot is None:
            return
        words = handle.page.words
        words[Word.SLOT], words[Word.INC] = slot.number + 1, handle.inc
        report = encode_report(slot.pending.report) if slot.pending else b""
        aside = self._setup_deaths.aside()
        self._send(handle, Take(node=self.node, slot=slot.number, inc=handle.inc, report=report, aside=aside))

    def _send(self, handle: WorkerHandle, message: messages.Message) -> None:
        try:
            messages.send(handle.channel, message)
        except (BrokenPipeError, ConnectionResetError):
            # Dead already; its pidfd says so next.
            pass
        except OSError:
            # It does not read, or cannot be sent this: without the order it would stand still for good.
            self._ladder.kill(handle)

    # What the template and the workers say.

    def on_forked(self, message: Forked) -> None:
        """A process is there, or the fork failed; the template takes the next order."""
        handle = self.roster.get(message.life)
        if handle is None:
            return
        if message.pid:
            self._receive(handle, message.pid)
        else:
            LOGGER.error("a worker could not be forked: %s", os.strerror(message.errno) if message.errno else "no word")
            self._discard(handle)
            self._boots.not_forked(for_want=bool(message.errno))
        self.staff()

    def _receive(self, handle: WorkerHandle, pid: int) -> None:
        loop = asyncio.get_running_loop()
        handle.pid, handle.pidfd, handle.stage = pid, open_pidfd(pid), Stage.STARTING
        words = handle.page.words
        words[Word.START_TIME] = proc.start_time(pid)
        words[Word.PID] = pid
        words[Word.GENERATION] = handle.generation
        loop.add_reader(handle.pidfd, self._died, handle)
        self._hearing.listen(handle)
        loop.call_later(READY_SECONDS, self._not_ready, handle)
        if handle.ordered is not KillReason.NONE:
            # All were to be killed while this one was being forked.
            self._ladder.kill(handle)
            return
        if handle.slot is not None:
            # Before its start hooks run: they may choose a device by it.
            words[Word.SLOT] = handle.slot.number + 1
        self._send(handle, Go(page=handle.page.index))
        if handle.slot is not None:
            self._send_take(handle)
        if self.draining:
            self._send_drain(handle)

    def _not_ready(self, handle: WorkerHandle) -> None:
        if handle.stage is Stage.STARTING and handle.page.busy:
            # In a hook of the application, which has a deadline of its own.
            asyncio.get_running_loop().call_later(READY_SECONDS, self._not_ready, handle)
        elif handle.stage is Stage.STARTING:
            handle.notes.append(f"not ready within {READY_SECONDS:.0f} s")
            self._ladder.kill(handle)

    def _settled(self, handle: WorkerHandle) -> None:
        if handle.slot is not None:
            self.succession.settled(handle.slot)

    # Deaths.

    def _died(self, handle: WorkerHandle) -> None:
        status = reap(handle.pid)
        if status is None:
            return
        asyncio.get_running_loop().remove_reader(handle.pidfd)
        self._hearing.catch_up(handle)
        self._events.on_reaped(handle)
        was_ready = handle.stage in (Stage.READY, Stage.LEAVING)
        report = examine(handle, status, self.node, self._queues, self._memory_kills)
        self._boots.died(handle, report, was_ready=was_ready)
        if handle.page.state is WorkerState.SETTING_UP and handle.ordered in ITS_OWN_FAULT:
            self._setup_deaths.died(handle.page.activity_type())
        slot = handle.slot
        if slot is not None and slot.worker is handle:
            slot.vacated(in_order=was_ready and report.broken is None and report.exit_code == 0)
            self.succession.hand_down(slot, report, handle.page)
        else:
            self.succession.give_back(handle.page)
        self._close(handle)
        self.staff()
        self._events.on_death(report)
        if report.broken is None and was_ready:
            self._events.on_idle_gone()

    def on_wedged(self, handle: WorkerHandle) -> None:
        """A process that SIGKILL does not end runs no user code any more: its slot goes on without it."""
        slot = handle.slot
        LOGGER.error("%s was killed and is still there: its slot goes on without it", handle)
        if slot is None or slot.worker is not handle:
            return
        report = examine(handle, _UNREAPED, self.node, self._queues, self._memory_kills)
        slot.worker = None
        if report.broken is not None and slot.pending is None:
            slot.pending = PendingReport(report, None, asyncio.get_running_loop().time())
        self._events.on_death(report)
        self.staff()

    def _discard(self, handle: WorkerHandle) -> None:
        """Forgets a process that never was."""
        if handle.slot is not None and handle.slot.worker is handle:
            handle.slot.worker = None
        self.succession.give_back(handle.page)
        self._close(handle)

    def _close(self, handle: WorkerHandle) -> None:
        handle.stage = Stage.DEAD
        self.roster.remove(handle)
        handle.close()

    def on_template_gone(self, generation: int) -> None:
        """Requests that a dead template took along are forgotten; their processes, if any, find no GO and leave."""
        for handle in self.roster:
            if handle.stage is Stage.FORKING and handle.generation == generation:
                self._discard(handle)

    # Leaving.

    def drain(self) -> None:
        """Every worker leaves when it is idle; no more are forked, but for reports that are still to be settled."""
        self.draining = True
        for handle in self.roster:
            self._send_drain(handle)

    def retire(self, handle: WorkerHandle) -> None:
        """Lets one worker go when it is idle, at once if it is; what it runs has all its time."""
        handle.page.words[Word.DRAINING] = Draining.RETIRING
        if handle.page.state is WorkerState.IDLE:
            self._send(handle, Drain())

    def _send_drain(self, handle: WorkerHandle) -> None:
        handle.page.words[Word.DRAINING] = Draining.STOPPING
        if handle.stage is not Stage.FORKING:
            self._send(handle, Drain())

    def suspend(self) -> None:
        """No process is started until `resume`."""
        self._suspended = True

    def resume(self) -> None:
        """Fills the slots again."""
        self._suspended = False
        self.staff()

    def kill_all(self, reason: KillReason) -> None:
        """SIGKILL to every process, charged to nobody."""
        for handle in self.roster:
            words = handle.page.words
            if not self._ladder.condemn(handle, words[Word.SEQ], reason):
                # Not busy: nothing to charge anyway, and what it has claimed goes back by the slot's next statement.
                words[Word.REASON], words[Word.CONDEMNED] = reason, words[Word.SEQ]
                handle.ordered = reason
            self._ladder.kill(handle)


_UNREAPED: Final = ExitStatus(signal=9, code=0, cpu_seconds=0.0, max_rss_bytes=0)
