"""The parent's view of a template: starting it, asking it for forks, noticing its death."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from rrqmp.kernel.pidfd import open_pidfd, send_signal
from rrqmp.settings.table import TABLE
from rrqmp.shared_state import messages
from rrqmp.shared_state.launch import Launch, encode_launch
from rrqmp.shared_state.messages import Close, Configure, Configured, Fork, Forked, Imported, ImportFailed, WorkerConfig

_ANSWER_SECONDS: Final = 2.0
_ORDERS_MOST: Final = 8
_THREAD_VARIABLES: Final = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "BLIS_NUM_THREADS",
)
# A service manager's words are for the supervisor: a worker that spoke to it, or fed its watchdog, would lie.
_NOT_INHERITED: Final = ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "LISTEN_FDS", "LISTEN_PID")


class TemplateStage(StrEnum):
    """How far a template is; only forward."""

    IMPORTING = "importing"
    IMPORTED = "imported"
    WARMING = "warming"
    SERVING = "serving"
    CLOSING = "closing"
    DEAD = "dead"


def template_environment(environ: Mapping[str, str], mark: str, threads: int, key: str = "") -> dict[str, str]:
    """The environment of a template and all below it; thread caps must stand before the application is imported.

    So must the key, which may have come from a file that only we were told of.
    """
    made = {name: value for name, value in environ.items() if name not in _NOT_INHERITED}
    for name in _THREAD_VARIABLES:
        made.setdefault(name, str(threads))
    made[messages.MARK_VARIABLE] = mark
    if key:
        made[TABLE["key"].variable] = key
    return made


@dataclass(slots=True, eq=False)
class TemplateHandle:
    """One template process. Callbacks run in the supervisor's loop."""

    generation: int
    on_imported: Callable[[TemplateHandle, Imported | ImportFailed], None]
    on_serving: Callable[[TemplateHandle], None]
    on_forked: Callable[[Forked], None]
    on_death: Callable[[TemplateHandle], None]
    stage: TemplateStage = TemplateStage.IMPORTING
    pid: int = 0
    pidfd: int = -1
    resident_bytes: int = 0
    born: float = field(default_factory=time.monotonic)
    _control: socket.socket | None = None
    _unanswered: set[int] = field(default_factory=set)
    _silence: asyncio.TimerHandle | None = None

    def start(self, launch: Launch, environment: Mapping[str, str], keep: Sequence[int] = ()) -> None:
        """Executes a fresh interpreter in a process group of its own. `keep` are descriptors it needs besides."""
        near, far = messages.pair()
        for descriptor in (far.fileno(), *keep):
            os.set_inheritable(descriptor, True)
        null = os.open(os.devnull, os.O_RDONLY)
        try:
            # posix_spawn and not Popen: nobody but us may ever wait for this child.
            self.pid = os.posix_spawn(
                sys.executable,
                [sys.executable, "-m", "rrqmp.worker", str(far.fileno()), encode_launch(launch)],
                environment,
                file_actions=[(os.POSIX_SPAWN_DUP2, null, 0)],
                setpgroup=0,
                setsigmask=(),
                setsigdef=(signal.SIGCHLD, signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGPIPE),
            )
        finally:
            os.close(null)
            for descriptor in keep:
                os.set_inheritable(descriptor, False)
            far.close()
        self.pidfd = open_pidfd(self.pid)
        self._control = near
        loop = asyncio.get_running_loop()
        loop.add_reader(near.fileno(), self._read)
        loop.add_reader(self.pidfd, self._died)

    @property
    def takes_orders(self) -> bool:
        """Whether it takes one more fork request: too many under way would fill its socket."""
        return self.stage is TemplateStage.SERVING and len(self._unanswered) < _ORDERS_MOST

    def configure(self, config: WorkerConfig, *descriptors: int) -> None:
        """Hands over the settled settings, and board, wake-up and counts; it answers when it is warm."""
        self.stage = TemplateStage.WARMING
        self._send(Configure(config=config, supervisor_pid=os.getpid()), descriptors)

    def fork(self, life: int, channel: int, dump: int) -> None:
        """Asks for one process; a template that says nothing for two seconds is killed, and replaced."""
        self._unanswered.add(life)
        if self._silence is None:
            self._await_answer()
        self._send(Fork(life=life), (channel, dump))

    def close(self) -> None:
        """Lets it go when it has nothing left to do."""
        if self.stage is not TemplateStage.DEAD:
            self.stage = TemplateStage.CLOSING
            self._send(Close())

    def kill(self) -> None:
        """SIGKILL to it and to all that still is in its group: helpers of the import, workers not yet announced."""
        try:
            os.killpg(self.pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            send_signal(self.pidfd, signal.SIGKILL)

    def _await_answer(self) -> None:
        """Each answer gives the next one its full time."""
        if self._silence is not None:
            self._silence.cancel()
            self._silence = None
        if self._unanswered:
            self._silence = asyncio.get_running_loop().call_later(_ANSWER_SECONDS, self.kill)

    def _send(self, message: messages.Message, descriptors: Sequence[int] = ()) -> None:
        if self._control is None:
            return
        try:
            messages.send(self._control, message, descriptors)
        except BlockingIOError:
            # It has not read for a long time: it hangs.
            self.kill()
        except OSError:
            # It is dead; its pidfd says so next.
            pass

    def _read(self) -> None:
        if self._control is None:
            return
        try:
            message, _ = messages.receive(self._control)
        except BlockingIOError:
            return
        match message:
            case None:
                asyncio.get_running_loop().remove_reader(self._control.fileno())
            case Imported() | ImportFailed():
                self.stage = TemplateStage.IMPORTED
                self.on_imported(self, message)
            case Configured():
                self.stage = TemplateStage.SERVING
                self.resident_bytes = message.resident_bytes
                self.on_serving(self)
            case Forked():
                self._unanswered.discard(message.life)
                self._await_answer()
                self.on_forked(message)
            case _:
                self.kill()

    def _died(self) -> None:
        loop = asyncio.get_running_loop()
        while self._control is not None and self.stage is not TemplateStage.DEAD:
            # What it said before it died counts: a fork that it announced is a child of ours.
            try:
                message, _ = messages.receive(self._control)
            except (BlockingIOError, OSError):
                break
            if message is None:
                break
            if isinstance(message, Forked):
                self.on_forked(message)
            elif isinstance(message, Imported | ImportFailed):
                self.on_imported(self, message)
        self.stage = TemplateStage.DEAD
        loop.remove_reader(self.pidfd)
        if self._control is not None:
            loop.remove_reader(self._control.fileno())
            self._control.close()
            self._control = None
        self._unanswered.clear()
        self._await_answer()
        # The zombie still holds the group's number, so this cannot hit a stranger.
        self.kill()
        os.waitpid(self.pid, 0)
        os.close(self.pidfd)
        self.on_death(self)
