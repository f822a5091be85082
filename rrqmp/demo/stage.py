"""What the demo runs in: a private folder with its own server and supervisor, gone when the demo is."""

from __future__ import annotations

import contextlib
import os
import select
import shutil
import socket
import subprocess
import sys
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from rrqmp.errors import WorkerError
from rrqmp.settings.table import ENVIRONMENT_PREFIX
from rrqmp.shared_state.launch import AppReference, Launch, encode_launch
from rrqmp.store.embedded import EmbeddedServer

_PACKAGE_PARENT: Final = Path(__file__).parents[2]
_READY_SECONDS: Final = 30.0
_STOP_SECONDS: Final = 15.0


class DemoStage:
    """Server and supervisor of one demo. With `redis_url` that server is used, and only the supervisor is started."""

    def __init__(self, *, queue: str, prefix: str, workers: int | None, redis_url: str | None) -> None:
        self.url = redis_url or ""
        self._queue = queue
        self._prefix = prefix
        self._workers = workers
        self._folder: Path | None = None
        self._server: EmbeddedServer | None = None
        self._supervisor: subprocess.Popen[bytes] | None = None
        self._channel: socket.socket | None = None

    def __enter__(self) -> Self:
        try:
            # Short, because a socket's path may have 100 bytes; ours alone, because mkdtemp makes it so.
            self._folder = Path(tempfile.mkdtemp(prefix="rrqmp-demo-"))
            if not self.url:
                self._server = EmbeddedServer(self._folder / "server").start()
                self.url = self._server.url
            self._start_supervisor(self._folder)
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def check(self) -> None:
        """Raises, with the last words of the supervisor, if it has gone."""
        if self._supervisor is not None and self._supervisor.poll() is not None:
            raise WorkerError(f"the demo's supervisor ended with code {self._supervisor.returncode}:\n{self.log()}")

    def log(self) -> str:
        """What the supervisor has said so far, its last 40 lines."""
        try:
            lines = (self._path / "supervisor.log").read_text(errors="replace").splitlines()
        except FileNotFoundError:
            return ""
        return "\n".join(lines[-40:])

    def close(self) -> None:
        """Stops what was started, last first, and removes the folder; may be called twice."""
        if self._channel is not None:
            # The supervisor reads the end of it as an order to stop.
            self._channel.close()
            self._channel = None
        if self._supervisor is not None:
            self._wait_for_end(self._supervisor)
            self._supervisor = None
        if self._server is not None:
            self._server.close()
            self._server = None
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None

    @property
    def _path(self) -> Path:
        if self._folder is None:
            raise RuntimeError("the demo's stage is closed")
        return self._folder

    def _start_supervisor(self, folder: Path) -> None:
        self._channel, theirs = socket.socketpair()
        application = AppReference(kind="module", target="rrqmp.demo.application", attribute="engine")
        with theirs, (folder / "supervisor.log").open("wb") as log:
            order = encode_launch(Launch(app=application, parent_fd=theirs.fileno()))
            self._supervisor = subprocess.Popen(
                [sys.executable, "-m", "rrqmp.supervisor", "--launch", order, *self._flags(folder)],
                cwd=folder,
                env=_environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=(theirs.fileno(),),
                # Its own group: Ctrl-C reaches the demo, and the demo stops the supervisor in order.
                process_group=0,
            )
        readable, _, _ = select.select([self._channel], [], [], _READY_SECONDS)
        if not readable or not self._channel.recv(16):
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._supervisor.wait(1)
            self.check()
            raise WorkerError(f"the demo's supervisor was not ready after {_READY_SECONDS:g} s:\n{self.log()}")

    def _flags(self, folder: Path) -> list[str]:
        given = {
            "--redis-url": self.url,
            "--queue": self._queue,
            "--prefix": self._prefix,
            "--runtime-dir": str(folder / "run"),
            "--node": "demo",
            "--shutdown-timeout": "1s",
        }
        if self._workers is not None:
            given["--workers"] = str(self._workers)
        return [word for pair in given.items() for word in pair]

    def _wait_for_end(self, supervisor: subprocess.Popen[bytes]) -> None:
        for give_up in (supervisor.terminate, supervisor.kill):
            try:
                supervisor.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                give_up()
        supervisor.wait()


def _environment() -> dict[str, str]:
    """This process's, without settings that somebody made for his own queues; the package found from any folder."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ENVIRONMENT_PREFIX)}
    kept["PYTHONPATH"] = os.pathsep.join(filter(None, (str(_PACKAGE_PARENT), kept.get("PYTHONPATH"))))
    return kept
