"""The template: a fresh interpreter that imports the application once and forks workers from it on request.

It keeps one thread for life, since a lock that another thread holds at a fork stays locked in the child for ever. It
is also the guard: when its control socket ends, the supervisor is dead, and everything below must go.
"""

from __future__ import annotations

import faulthandler
import gc
import logging
import os
import signal
import socket
import sys
import time
from dataclasses import dataclass
from typing import Final, NoReturn

from rrqmp.errors import ApplicationError, StoreError
from rrqmp.handling.application import Application
from rrqmp.handling.jobs import JobServer
from rrqmp.kernel import prctl, proc
from rrqmp.kernel.descriptors import move_high
from rrqmp.kernel.signals import PARENT_DIED
from rrqmp.shared_state import messages
from rrqmp.shared_state.launch import decode_launch
from rrqmp.shared_state.log_lines import ROOT, formatter_for
from rrqmp.shared_state.messages import (
    Close,
    Configure,
    Configured,
    Fork,
    Forked,
    Imported,
    ImportFailed,
    Message,
    TypeReport,
    WorkerConfig,
)
from rrqmp.store.connection import BlockingConnection
from rrqmp.store.script import load_script
from rrqmp.worker import guard
from rrqmp.worker.application_loading import load_application
from rrqmp.worker.boot import Inheritance, run_worker
from rrqmp.worker.forking import fork_worker
from rrqmp.worker.signals import DeafToStops

# What a worker calls: settling and claiming, and reading a record before it settles for its predecessor.
_SCRIPTS: Final = ("cycle", "show")


def main(arguments: list[str]) -> int:
    """Runs a template until the supervisor closes it; does not return when the supervisor has died."""
    control = socket.socket(fileno=int(arguments[0]))
    control.set_inheritable(False)
    control.setblocking(True)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    deaf = DeafToStops()
    deaf.install()
    faulthandler.enable()
    # Collections while modules are made only cost time, and what survives is frozen anyway.
    gc.disable()
    launch = decode_launch(arguments[1])
    started = time.monotonic()
    _guard_import(control)
    try:
        application = load_application(launch.app, launch.sys_path, launch.pickle_fd, launch.service)
    except ApplicationError as error:
        messages.send(control, ImportFailed(message=error.message, traceback=error.traceback[-60_000:]))
        return 1
    prctl.outlive_parent()
    messages.send(control, _report(application, time.monotonic() - started))
    return Template(control, application, deaf).run()


def _guard_import(control: socket.socket) -> None:
    """Until the import is done nobody reads the control socket: the kernel itself has to tell of a dead supervisor."""
    signal.signal(PARENT_DIED, lambda number, frame: guard.kill_marked())
    prctl.die_with_parent(PARENT_DIED)
    try:
        if not control.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT):
            guard.kill_marked()
    except BlockingIOError:
        pass


def _report(application: Application, seconds: float) -> Imported:
    registry = application.registry
    types = [
        TypeReport(activity_type=name, timeout=registration.timeout, origin=registration.origin)
        for name in registry.types()
        if (registration := registry.get(name)) is not None
    ]
    return Imported(
        types=tuple(types),
        settings=dict(application.settings),
        threads=proc.thread_count(os.getpid()),
        resident_bytes=proc.resident_bytes(os.getpid()),
        seconds=seconds,
    )


def _open_log(config: WorkerConfig) -> None:
    """What workers and handlers log below `rrqmp` goes to standard error, unless the application sends it elsewhere."""
    logger = logging.getLogger(ROOT)
    if logger.hasHandlers():
        return
    handler = logging.StreamHandler()
    handler.setFormatter(formatter_for(config.log_format))
    logger.addHandler(handler)
    logger.setLevel(config.log_level.upper())


def _warm_up(config: WorkerConfig) -> BlockingConnection:
    """Takes every code path of a new worker's start once; a closed connection, which each worker opens for itself.

    What is read, compiled and made here is shared by all workers; in each of them it would be a copy, megabytes of it.
    """
    for name in _SCRIPTS:
        load_script(name)
    connection = BlockingConnection(config.redis_url, name="rrqmp-worker")
    try:
        connection.open()
    except StoreError:
        # Only warmth is lost; the workers connect by themselves and wait as long as it takes.
        pass
    connection.close()
    return connection


@dataclass(slots=True)
class Template:
    """One code generation, ready to fork."""

    control: socket.socket
    application: Application
    deaf: DeafToStops
    _config: WorkerConfig | None = None
    _supervisor_pid: int = 0
    _board: int = -1
    _wake: int = -1
    _counts: int = -1
    _warm: bool = False
    # None where the workers' jobs come from the supervisor.
    _connection: BlockingConnection | None = None

    def run(self) -> int:
        """Serves the supervisor's orders."""
        while True:
            message, descriptors = messages.receive(self.control)
            match message:
                case None:
                    self._supervisor_is_dead()
                case Close():
                    return 0
                case Configure():
                    self._configure(message, descriptors)
                case Fork():
                    self._fork(message, descriptors)
                case _:
                    raise RuntimeError(f"a template was sent {message!r}")

    def _configure(self, message: Configure, descriptors: list[int]) -> None:
        self._config, self._supervisor_pid = message.config, message.supervisor_pid
        self._board, self._wake, *counts = map(move_high, descriptors)
        self._counts = counts[0] if counts else -1
        if not self._warm:
            self._warm = True
            _open_log(message.config)
            if not isinstance(self.application, JobServer):
                self._connection = _warm_up(message.config)
            if getattr(self.application, "tracing", None):
                # Half a second in each worker otherwise. Nothing is made of it here: providers have threads.
                import rrqmp.telemetry.tracing  # noqa: F401
            gc.collect()
            # From here no collection looks at these objects, so their pages stay shared with every worker.
            gc.freeze()
        self._answer(Configured(resident_bytes=proc.resident_bytes(os.getpid())))

    def _fork(self, message: Fork, descriptors: list[int]) -> None:
        channel, dump = descriptors
        if self._config is None:
            raise RuntimeError("a template was told to fork before it was configured")
        inheritance = Inheritance(
            control=self.control,
            channel=channel,
            dump=dump,
            board=self._board,
            wake=self._wake,
            counts=self._counts,
            supervisor_pid=self._supervisor_pid,
            config=self._config,
            connection=self._connection,
            application=self.application,
            deaf=self.deaf,
        )

        def child_main() -> NoReturn:
            run_worker(inheritance)

        pid, code = fork_worker(child_main)
        os.close(channel)
        os.close(dump)
        self._answer(Forked(life=message.life, pid=pid, errno=code))

    def _answer(self, message: Message) -> None:
        try:
            messages.send(self.control, message)
        except (BrokenPipeError, ConnectionResetError):
            # It died since it gave the order; to die of that here would leave nobody to clean up.
            self._supervisor_is_dead()

    def _supervisor_is_dead(self) -> NoReturn:
        if self._board >= 0:
            guard.kill_survivors(self._board)
        sys.exit(1)
