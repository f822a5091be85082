"""The process of one node: takes the parts through start, service and stop, whatever happens in between."""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import shutil
import time
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, Final, TypeVar

from rrqmp.errors import StoreError
from rrqmp.kernel.marked import kill_marked
from rrqmp.kernel.pidfd import open_pidfd
from rrqmp.settings.resolution import Resolved, SettingsInputs
from rrqmp.settings.table import Settings
from rrqmp.shared_state.board import Board
from rrqmp.shared_state.exit_codes import ExitCode
from rrqmp.shared_state.launch import Launch
from rrqmp.shared_state.messages import MARK_VARIABLE, Imported
from rrqmp.store.aio import AsyncStore
from rrqmp.store.calls.ends import ReclaimCause
from rrqmp.store.embedded import EmbeddedServer
from rrqmp.store.keys import QueueKeys
from rrqmp.store.rules import StoreRules, rules_of
from rrqmp.supervisor import preparation
from rrqmp.supervisor.application import Application, launch_of
from rrqmp.supervisor.banner import banner
from rrqmp.supervisor.log import LOGGER
from rrqmp.supervisor.looking import log_slots
from rrqmp.supervisor.node import Node, NodeParts
from rrqmp.supervisor.node_board import Leftovers, board_path, open_board, remove_board
from rrqmp.supervisor.observing import Observing
from rrqmp.supervisor.parent_link import ParentLink
from rrqmp.supervisor.settlement import take_back
from rrqmp.supervisor.signals import Signals
from rrqmp.supervisor.start_failure import StartFailure, StopWished
from rrqmp.supervisor.stopping import stop
from rrqmp.supervisor.sweep import Sweep

R = TypeVar("R")
# Pages beyond one a slot: spares, processes that are dying, reports that wait, processes that will not die.
_EXTRA_PAGES: Final = 128
_TEMPLATE_CLOSE_SECONDS: Final = 1.0


class Supervisor:
    """`start`, then `run`, then `close` in any case."""

    def __init__(self, inputs: SettingsInputs, launch: Launch | None) -> None:
        self._inputs = inputs
        self._launch = launch
        self._mark = secrets.token_hex(8)
        self._wished = asyncio.Event()
        self._hurry = asyncio.Event()
        self._failure: StartFailure | None = None
        self._parent: ParentLink | None = None
        self._application: Application | None = None
        self._embedded: EmbeddedServer | None = None
        self._server_pidfd = -1
        self._store: AsyncStore | None = None
        self._observing: Observing | None = None
        self._board: Board | None = None
        self._board_path: Path | None = None
        # Whether Redis may hold something that only the board tells the next supervisor of.
        self._owing = False
        self._node: Node | None = None

    async def start(self) -> None:
        """Everything up to the first worker. Raises `StartFailure`, `ConfigurationError` or `StopWished`."""
        began = time.monotonic()
        Signals(self._on_stop, self._on_look).install()
        if self._launch is not None and self._launch.parent_fd is not None:
            self._parent = ParentLink(self._launch.parent_fd, lambda: self._on_stop(1))
            self._parent.watch()
        report = await self._unless_stopped(self._import(self._inputs.resolve()))
        resolved = self._inputs.resolve(report.settings)
        server = await self._unless_stopped(self._prepare(resolved, report))
        app = f"{self._launch.app.target}:{self._launch.app.attribute}".rstrip(":") if self._launch else ""
        seconds, metrics = time.monotonic() - began, self._observing.url if self._observing else ""
        for line in banner(resolved.settings, resolved.sources, app, report, server, seconds, metrics):
            LOGGER.info("%s", line)
        if self._parent is not None:
            self._parent.say_ready()

    async def run(self) -> int:
        """Serves until a stop is wished or the service has become pointless; the exit code."""
        await self._wished.wait()
        if self._node is None:
            return ExitCode.STOPPED
        if self._failure is not None:
            LOGGER.error("%s: giving up", self._failure)
            self._hurry.set()
        code = await stop(self._node, self._hurry)
        self._owing = code is not ExitCode.STOPPED
        return code if self._failure is None else self._failure.code

    async def close(self) -> None:
        """Takes down what stands: template, server, board; may be called after any failure."""
        if self._node is not None:
            await self._node.close()
        if self._application is not None:
            await self._application.close(_TEMPLATE_CLOSE_SECONDS)
            # Whatever is still below us, after a start that failed or a fault of our own too, goes with us.
            last_sweep = Sweep(self._children, set)
            last_sweep.start()
            await last_sweep.finish()
        if self._observing is not None:
            await self._observing.close()
        if self._store is not None:
            await self._store.close()
        if self._board is not None and self._board_path is not None:
            if not self._owing:
                remove_board(self._board, self._board_path)
            self._board.close()
        if self._server_pidfd >= 0:
            asyncio.get_running_loop().remove_reader(self._server_pidfd)
            os.close(self._server_pidfd)
        if self._embedded is not None:
            self._embedded.close()
        if self._launch is not None and self._launch.own_folder:
            # Ours alone: whoever started us may be dead, and nobody else knows of it.
            shutil.rmtree(self._launch.own_folder, ignore_errors=True)

    async def _import(self, resolved: Resolved) -> Imported:
        settings = resolved.settings
        if self._launch is None:
            if not settings.app:
                raise StartFailure(ExitCode.USAGE, "no application: give --app package.module:engine")
            self._launch = launch_of(settings.app, settings.app_dir)
        self._application = Application(
            launch=self._launch,
            mark=self._mark,
            threads=settings.threads_per_worker,
            key=settings.key,
        )
        return await self._application.import_first()

    async def _prepare(self, resolved: Resolved, report: Imported) -> str:
        settings, application = resolved.settings, self._application
        assert application is not None
        self._observing = Observing(settings.metrics_address)
        self._observing.open()
        types = preparation.served_types(settings, report)
        rules = rules_of(settings)
        self._embedded = preparation.start_embedded(settings.redis_url)
        if self._embedded is not None and self._embedded.place.in_memory and self._embedded.pid is not None:
            # With it goes all that was accepted: nobody can go on, and whoever waits must hear of it.
            self._server_pidfd = open_pidfd(self._embedded.pid)
            asyncio.get_running_loop().add_reader(self._server_pidfd, self._on_server_death)
        self._store = AsyncStore(settings.redis_url, name=f"rrqmp-supervisor-{settings.node}")
        facts = await preparation.wait_for_server(self._store, settings.start_timeout)
        for warning in facts.warnings:
            LOGGER.warning("%s", warning)
        queues = tuple(QueueKeys(name, settings.prefix) for name in settings.queues)
        self._board_path = board_path(settings.runtime_dir, settings.node)
        self._board, leftovers = await open_board(self._board_path, _pages_of(settings))
        self._owing = leftovers is not None
        self._observing.begin(tuple(settings.queues), types, len(self._board.pages) + 1)
        try:
            owed: list[tuple[str, str]] = []
            if leftovers is not None:
                owed = await self._clear_up(leftovers, queues, rules)
            self._owing = True
            self._node = Node(
                NodeParts(
                    settings=settings,
                    rules=rules,
                    queues=queues,
                    types=types,
                    store=self._store,
                    board=self._board,
                    application=application,
                    mark=self._mark,
                    children=self._children,
                    on_boot_loop=self._on_boot_loop,
                    measures=self._observing.measures,
                )
            )
            for queue, activity_id in owed:
                self._node.owed.add(queue, [activity_id])
            await self._node.open()
            await self._observing.serve(self._node)
        except StoreError as error:
            raise StartFailure(ExitCode.REDIS_UNREACHABLE, str(error)) from None
        return f"{self._store.address} ({facts.name} {facts.version}{', append-only' * facts.append_only})"

    async def _clear_up(
        self, leftovers: Leftovers, queues: tuple[QueueKeys, ...], rules: StoreRules
    ) -> list[tuple[str, str]]:
        """The lock is ours, so all processes of the former supervisor are dead, and what they held is free.

        Queue and id of what may have failed for good by that.
        """
        assert self._store is not None
        strays = kill_marked(MARK_VARIABLE, leftovers.mark)
        if strays:
            LOGGER.warning("killed %d processes that handlers of %s had left behind", strays, leftovers.node)
        await preparation.settle_reports(self._store, queues, rules, leftovers.reports)
        taken = 0
        owed = [(one.broken.queue, one.broken.activity_id) for one in leftovers.reports if one.broken is not None]
        for keys in queues:
            found = await take_back(self._store, keys, rules, leftovers.node, ReclaimCause.RESTART)
            taken += found.many
            owed += [(keys.queue, activity_id) for activity_id in found.dead]
        if taken:
            LOGGER.warning("took back %d activities of the former supervisor of this name", taken)
        return owed

    def _children(self) -> set[int]:
        pid = self._embedded.pid if self._embedded is not None else None
        return {pid} if pid is not None else set()

    def _on_stop(self, wishes: int) -> None:
        if wishes > 1:
            self._hurry.set()
        self._wished.set()

    def _on_look(self) -> None:
        if self._node is not None:
            asyncio.get_running_loop().create_task(log_slots(list(self._node.crew.roster)))

    def _on_server_death(self) -> None:
        asyncio.get_running_loop().remove_reader(self._server_pidfd)
        if not self._wished.is_set():
            self._failure = StartFailure(ExitCode.REDIS_UNREACHABLE, "the server that keeps no file has died")
            self._wished.set()

    def _on_boot_loop(self, reason: str) -> None:
        self._failure = StartFailure(ExitCode.BOOT_LOOP, reason)
        self._wished.set()

    async def _unless_stopped(self, work: Coroutine[Any, Any, R]) -> R:
        """The work's result, or `StopWished` as soon as a stop is wished."""
        task = asyncio.ensure_future(work)
        wish = asyncio.ensure_future(self._wished.wait())
        await asyncio.wait((task, wish), return_when=asyncio.FIRST_COMPLETED)
        wish.cancel()
        if task.done():
            return task.result()
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        raise StopWished


def _pages_of(settings: Settings) -> int:
    return settings.max_workers + settings.max_waiting + _EXTRA_PAGES
