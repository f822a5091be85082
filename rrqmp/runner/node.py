"""One runner at work: its crew and its watch over deadlines, fed by the dispatcher and not by a queue."""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
from collections.abc import Callable
from typing import Final

from rrqmp.runner.dispatch import Dispatcher
from rrqmp.settings.table import Settings
from rrqmp.shared_state.board import STRIDE, Board, Head, KillReason
from rrqmp.shared_state.exit_report import ExitReport
from rrqmp.shared_state.messages import Answer, Idle
from rrqmp.store.rules import rules_of
from rrqmp.supervisor.application import Application, TemplateEvents
from rrqmp.supervisor.crew import Crew, CrewEvents
from rrqmp.supervisor.deadlines import DeadlineWatch
from rrqmp.supervisor.ladder import Ladder
from rrqmp.supervisor.log import LOGGER
from rrqmp.supervisor.node_board import take_over
from rrqmp.supervisor.obituary import announce
from rrqmp.supervisor.preparation import spares_of, worker_config
from rrqmp.supervisor.sweep import Sweep
from rrqmp.supervisor.template_handle import TemplateHandle
from rrqmp.supervisor.worker_handle import Slot, WorkerHandle

# Pages beyond one a slot: spares, processes that are dying, processes that will not die.
_EXTRA_PAGES: Final = 64
# An orchestrator gives a runner two seconds from its signal to its end, whatever its settings say.
_REAP_SECONDS: Final = 0.8
_SWEEP_SECONDS: Final = 0.3
_TELL_SECONDS: Final = 0.5


class RunnerNode:
    """`open` lets the template fork; `stop` kills at once: an orchestrator gives nothing time to finish."""

    def __init__(
        self,
        settings: Settings,
        application: Application,
        mark: str,
        allowance: Callable[[], int],
        on_boot_loop: Callable[[str], None],
    ) -> None:
        self._settings = settings
        self._application = application
        self._on_boot_loop = on_boot_loop
        self._wake = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._board = _private_board(settings, mark)
        self.ladder = Ladder(self._on_wedged)
        self.dispatcher = Dispatcher(self.ladder, allowance)
        events = CrewEvents(self._on_death, lambda: None, lambda: None, on_boot_loop, on_word=self._on_word)
        self.crew = Crew(self._board, self.ladder, events, ())
        self.crew.node = settings.node
        self.crew.slots = [Slot(number) for number in range(settings.max_workers)]
        self._watch = DeadlineWatch(
            self._board.head, self._wake, self.ladder, lambda: self.crew.roster, lambda *_: None, lambda: None
        )
        self._sweep = Sweep(self._known, application.pids)
        self.serving = asyncio.Event()

    def open(self, types: tuple[str, ...]) -> None:
        """Hands the settings to the template; `serving` is set when the first worker waits for work."""
        config = worker_config(self._settings, rules_of(self._settings), types)
        events = TemplateEvents(self.crew.on_forked, self._on_template, self._on_template_gone, self._on_boot_loop)
        self._application.configure(config, self._board.descriptor, self._wake, events)
        self._watch.start()

    async def stop(self) -> None:
        """Kills every worker and what it left behind, and reaps them."""
        self._board.head[Head.DRAINING] = 1
        self.crew.draining = True
        # A slot whose report is still to be handed down would be given one more process.
        self.crew.suspend()
        if self.dispatcher.tells:
            await self._let_tell()
        self.crew.kill_all(KillReason.RELEASED)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_REAP_SECONDS):
                await self.crew.roster.emptied()
        self._sweep.start()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_SWEEP_SECONDS):
                await self._sweep.finish()
        if len(self.crew.roster):
            LOGGER.error("these processes sleep in the kernel and are left: %s", sorted(self.crew.roster.pids()))

    async def _let_tell(self) -> None:
        """Idle workers send what they have not told yet, within what an orchestrator allows for all of this."""
        for handle in self.crew.roster.busy:
            self.ladder.kill(handle)
        self.crew.drain()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_TELL_SECONDS):
                await self.crew.roster.emptied()

    def close(self) -> None:
        """Ends the watch; the processes are gone by then."""
        self._watch.stop()
        os.close(self._wake)

    def _on_wedged(self, handle: WorkerHandle) -> None:
        self.crew.on_wedged(handle)

    def _on_word(self, handle: WorkerHandle, message: Idle | Answer, descriptors: list[int]) -> None:
        self.serving.set()
        self.dispatcher.on_word(handle, message, descriptors)

    def _on_death(self, report: ExitReport) -> None:
        announce(report)
        self._sweep.start()
        self.dispatcher.on_death(report)

    def _on_template(self, handle: TemplateHandle) -> None:
        self.crew.template = handle
        self.crew.spares_wanted = spares_of(self._settings, handle.resident_bytes)
        self.crew.staff()

    def _on_template_gone(self, generation: int) -> None:
        self.crew.template = None
        self.crew.on_template_gone(generation)
        self._sweep.start()

    def _known(self) -> set[int]:
        return self.crew.roster.pids() | self._application.pids()


def _private_board(settings: Settings, mark: str) -> Board:
    """A board that nobody else opens: what ran is answered for by the orchestrator, and nothing outlives us."""
    pages = settings.max_workers + _EXTRA_PAGES
    descriptor = os.memfd_create("rrqmp-board", os.MFD_CLOEXEC)
    os.ftruncate(descriptor, pages * STRIDE)
    board = Board(descriptor, pages, writable=True)
    take_over(board, settings.node, secrets.token_hex(8), mark)
    return board
