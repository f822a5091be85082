"""The process of a runner, from its entry to its exit code."""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import signal
import sys
import time
from dataclasses import dataclass, replace
from typing import Final, NoReturn

from rrqmp.errors import ConfigurationError
from rrqmp.kernel import prctl, proc
from rrqmp.runner.accounts import TELLS
from rrqmp.runner.address import VARIABLE, SocketAddress
from rrqmp.runner.guard import ParentGuard
from rrqmp.runner.node import RunnerNode
from rrqmp.runner.server import Server
from rrqmp.runner.siblings import Allowance, Siblings, started_as
from rrqmp.settings.resolution import SettingsInputs
from rrqmp.settings.table import Settings
from rrqmp.shared_state.exit_codes import ExitCode
from rrqmp.shared_state.launch import Launch
from rrqmp.supervisor.application import Application
from rrqmp.supervisor.log import LOGGER, open_log
from rrqmp.supervisor.looking import log_slots
from rrqmp.supervisor.parent_link import ParentLink
from rrqmp.supervisor.signals import Signals
from rrqmp.supervisor.start_failure import StartFailure, StopWished
from rrqmp.supervisor.sweep import Sweep
from rrqmp.version import __version__

# The runner before us may have been killed this very moment.
_BIND_SECONDS: Final = 2.0
_BIND_STEP: Final = 0.02
_TEMPLATE_CLOSE_SECONDS: Final = 0.2
_SWEEP_SECONDS: Final = 0.3
# An orchestrator that captures our output closes the pipe for good at the first byte that is no UTF-8.
_OUTPUT_ENCODING: Final = {"PYTHONIOENCODING": "utf-8:backslashreplace"}


@dataclass(frozen=True, slots=True, kw_only=True)
class RunnerOrder:
    """What one runner is to be. `guard_fd` is a pidfd of whom it must not outlive, if that is not its parent.

    `member` is the process that the orchestrator started, and `parent` the orchestrator: the next of kin of a pool.
    """

    launch: Launch
    address: SocketAddress
    inputs: SettingsInputs
    guard_fd: int | None = None
    member: int = 0
    parent: int = 0


def serve_runner(order: RunnerOrder) -> NoReturn:
    """Serves until told to stop, or until the orchestrator dies, and leaves. Raises `ConfigurationError`."""
    resolved = order.inputs.resolve()
    settings = replace(resolved.settings, redis_url="", node=f"runner-{order.address.port}")
    # A script that is run again for the workers asks for the address too, where its call has no guard.
    os.environ.update({**_OUTPUT_ENCODING, VARIABLE: str(order.address)})
    log = open_log(settings.log_level, settings.log_format)
    # Both are inherited over exec: an ignored SIGCHLD would leave us without the status of any child.
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    prctl.adopt_orphans()
    try:
        given = resolved.sources.get("max_workers") != "default"
        code = asyncio.run(_run(RunnerProcess(order, settings, workers_given=given)))
    finally:
        log.push()
    # The interpreter's own farewell takes some tenths of a second on a busy machine, and an orchestrator gives two to
    # all runners of its pool, one after the other.
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


async def _run(process: RunnerProcess) -> int:
    code: int
    try:
        await process.start()
        code = await process.run()
    except StartFailure as failure:
        LOGGER.error("%s", failure)
        code = failure.code
    except ConfigurationError as error:
        LOGGER.error("%s", error)
        code = ExitCode.CONFIGURATION
    except StopWished:
        code = ExitCode.STOPPED
    except Exception:  # noqa: BLE001 - the process's last line of defence: it must still reap
        LOGGER.exception("the runner failed; please report this")
        code = ExitCode.BUG
    await process.close()
    return int(code)


class RunnerProcess:
    """`start`, then `run`, then `close` in any case."""

    def __init__(self, order: RunnerOrder, settings: Settings, *, workers_given: bool) -> None:
        self._order = order
        self._settings = settings
        self._mark = secrets.token_hex(8)
        self._wished = asyncio.Event()
        self._failure: StartFailure | None = None
        member = order.member or started_as()
        parent = order.parent or proc.parent(member)
        self._allowance = Allowance(Siblings(member, parent), settings.max_workers, given=workers_given)
        self._application: Application | None = None
        self._node: RunnerNode | None = None
        self._server: Server | None = None
        self._link: ParentLink | None = None

    async def start(self) -> None:
        """Everything up to the first connection. Raises `StartFailure` or `StopWished`."""
        began = time.monotonic()
        Signals(lambda _: self._wished.set(), self._on_look).install()
        self._watch_parents()
        work = asyncio.ensure_future(self._prepare())
        wish = asyncio.ensure_future(self._wished.wait())
        await asyncio.wait((work, wish), return_when=asyncio.FIRST_COMPLETED)
        wish.cancel()
        if not work.done():
            work.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await work
            raise self._failure or StopWished
        functions = work.result()
        allowed, workers = self._allowance(), self._settings.max_workers
        LOGGER.info(
            "rrqmp %s  runner at %s  %d worker%s%s  %s  ready in %.1f s",
            __version__, self._order.address, workers, "s" * (workers != 1),
            f", {allowed} at once" * (allowed != workers), functions, time.monotonic() - began,
        )  # fmt: skip
        if warning := self._allowance.warning():
            LOGGER.warning("%s", warning)
        if self._link is not None:
            self._link.say_ready()

    async def run(self) -> int:
        """Serves until a stop is wished or the service has become pointless; the exit code."""
        await self._wished.wait()
        if self._failure is not None:
            LOGGER.error("%s: giving up", self._failure)
            return self._failure.code
        return ExitCode.STOPPED

    async def close(self) -> None:
        """Takes down what stands, the port first; may be called after any failure."""
        if self._server is not None:
            self._server.close()
        if self._node is not None:
            await self._node.stop()
            self._node.close()
        if self._application is not None:
            await self._application.close(_TEMPLATE_CLOSE_SECONDS)
            last = Sweep(set, set)
            last.start()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_SWEEP_SECONDS):
                    await last.finish()

    def _watch_parents(self) -> None:
        launch, order = self._order.launch, self._order
        if launch.parent_fd is not None:
            self._link = ParentLink(launch.parent_fd, self._wished.set)
            self._link.watch()
        if order.guard_fd is not None:
            guards = [ParentGuard(order.guard_fd)]
        else:
            # A wrapper may outlive the orchestrator that started it, and then nobody would free the port.
            found = {pid: ParentGuard.of_parent(pid) for pid in (os.getpid(), started_as())}
            guards = [guard for guard in found.values() if guard is not None]
        for guard in guards:
            guard.watch(self._wished.set)

    async def _prepare(self) -> str:
        settings, launch = self._settings, self._order.launch
        self._application = Application(launch=launch, mark=self._mark, threads=settings.threads_per_worker)
        report = await self._application.import_first()
        node = self._node = RunnerNode(settings, self._application, self._mark, self._allowance, self._on_boot_loop)
        node.dispatcher.tells = bool(report.settings.get(TELLS))
        self._server = Server(self._order.address, node.dispatcher)
        await self._bind(self._server)
        node.open(tuple(entry.activity_type for entry in report.types))
        await node.serving.wait()
        await self._server.open()
        return f"{len(report.types)} function{'s' * (len(report.types) != 1)}"

    async def _bind(self, server: Server) -> None:
        give_up = time.monotonic() + _BIND_SECONDS
        while True:
            try:
                server.bind()
                return
            except OSError as error:
                if time.monotonic() > give_up:
                    raise StartFailure(
                        ExitCode.CONFIGURATION,
                        f"cannot listen at {server.address}: {error.strerror}; another runner may still be there",
                    ) from None
            await asyncio.sleep(_BIND_STEP)

    def _on_look(self) -> None:
        if self._node is not None:
            asyncio.get_running_loop().create_task(log_slots(list(self._node.crew.roster)))

    def _on_boot_loop(self, reason: str) -> None:
        self._failure = StartFailure(ExitCode.BOOT_LOOP, reason)
        self._wished.set()
