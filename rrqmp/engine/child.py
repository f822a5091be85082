"""The supervisor as the process that started it sees it: a child in a group of its own, tied by one socket."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any, Final

from rrqmp.errors import ConfigurationError, StoreUnavailable, WorkerError
from rrqmp.shared_state.exit_codes import ExitCode
from rrqmp.shared_state.launch import AppReference, Launch, encode_launch

_PACKAGE_PARENT: Final = str(Path(__file__).resolve().parents[2])
_FORWARDED: Final = (signal.SIGINT, signal.SIGTERM)


class SupervisorChild:
    """One run of a supervisor. Its socket's end is its order to stop, so it never outlives us."""

    def __init__(self, process: subprocess.Popen[bytes], channel: socket.socket) -> None:
        self._process = process
        self._channel = channel

    @classmethod
    def start(
        cls,
        application: AppReference,
        sys_path: tuple[str, ...],
        pickle_fd: int | None,
        *,
        flags: Sequence[str] = (),
        environ: Mapping[str, str] = os.environ,
        own_folder: str = "",
    ) -> SupervisorChild:
        """Starts `python -m rrqmp.supervisor`; returns before it serves."""
        ours, theirs = socket.socketpair()
        with theirs:
            order = Launch(
                app=application,
                sys_path=sys_path,
                parent_fd=theirs.fileno(),
                pickle_fd=pickle_fd,
                own_folder=own_folder,
            )
            process = subprocess.Popen(
                [sys.executable, "-m", "rrqmp.supervisor", "--launch", encode_launch(order), *flags],
                stdin=subprocess.DEVNULL,
                env=child_environment(environ),
                pass_fds=(theirs.fileno(),) if pickle_fd is None else (theirs.fileno(), pickle_fd),
                # Its own group: Ctrl-C reaches us alone, and we hand it on once.
                process_group=0,
            )
        return cls(process, ours)

    @property
    def pid(self) -> int:
        """The supervisor's process id."""
        return self._process.pid

    def wait_until_ready(self) -> None:
        """Blocks until it serves; raises what its exit means if it ends before."""
        # Its own start has a limit (`start_timeout`), so the end of the socket comes in any case.
        if not self._channel.recv(16):
            self.finish()
            raise WorkerError("the supervisor ended before it was ready, and said that all was well")

    def wait(self, timeout: float | None = None) -> bool:
        """Whether it has ended within the time."""
        try:
            self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            return False
        return True

    def ask_to_stop(self) -> None:
        """What runs may finish."""
        self._process.send_signal(signal.SIGTERM)

    def hurry(self) -> None:
        """After `ask_to_stop`: what runs goes back at once."""
        # Another signal: a copy of the first one within half a second would count as the same wish.
        self._process.send_signal(signal.SIGINT)

    def kill(self) -> None:
        """Kills the supervisor; its workers die with it."""
        self._process.kill()

    def leave(self) -> None:
        """Waits for its end, whatever its exit code."""
        self._process.wait()
        self._channel.close()

    def finish(self) -> None:
        """Waits for its end; raises an error for an exit code that is no success."""
        code = self._process.wait()
        self._channel.close()
        error = error_of(code)
        if error is not None:
            raise error

    @contextmanager
    def forwarding_signals(self) -> Iterator[None]:
        """Hands SIGINT and SIGTERM on; in other threads than the main one, where nobody can, it does nothing."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return

        def forward(number: int, frame: FrameType | None) -> None:
            self._process.send_signal(number)

        before: dict[int, Any] = {number: signal.signal(number, forward) for number in _FORWARDED}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, signal.SIG_DFL if handler is None else handler)


def error_of(code: int) -> WorkerError | None:
    """What an exit code of the supervisor means to who started it."""
    if code == ExitCode.STOPPED:
        return None
    if code < 0:
        return WorkerError(f"the supervisor was killed by {_signal_name(-code)}; its workers went with it")
    try:
        known = ExitCode(code)
    except ValueError:
        return WorkerError(f"the supervisor ended with the unknown exit code {code}; its log says more")
    message = f"the supervisor ended with exit code {code}: {known.meaning}; its log says more"
    if known in (ExitCode.CONFIGURATION, ExitCode.USAGE):
        return ConfigurationError(message)
    return StoreUnavailable(message) if known is ExitCode.REDIS_UNREACHABLE else WorkerError(message)


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def child_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """With this package's folder where the current process alone finds it: a fresh one would not search there."""
    paths = environ.get("PYTHONPATH", "")
    searched = (*(entry for entry in sys.path if "-packages" in entry), os.getcwd(), *paths.split(os.pathsep))
    if _PACKAGE_PARENT in map(os.path.abspath, filter(None, searched)):
        return dict(environ)
    return {**environ, "PYTHONPATH": os.pathsep.join(filter(None, (_PACKAGE_PARENT, paths)))}
