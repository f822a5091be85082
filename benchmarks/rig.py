"""The ground that every benchmark stands on: a private server, supervisors that serve it, queues to fill.

Everything that is started here is stopped by its pid, also when the benchmark itself is told to stop, and dies with it
when it is killed.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType, TracebackType
from typing import Final, Self

from rrqmp.client.executor import ActivityExecutor
from rrqmp.kernel import prctl, proc
from rrqmp.model.ids import new_activity_id
from rrqmp.model.spec import Spec, join_spec
from rrqmp.store.calls.enqueue import MAX_ITEMS, Submission, enqueue
from rrqmp.store.calls.gates import pause, resume
from rrqmp.store.calls.stats import stats
from rrqmp.store.connection import BlockingConnection
from rrqmp.store.embedded import EmbeddedServer
from rrqmp.store.keys import QueueKeys
from rrqmp.store.rules import StoreRules

ROOT: Final = Path(__file__).resolve().parent.parent
_NICER: Final = 5
_START_SECONDS: Final = 30.0
_STOP_SECONDS: Final = 15.0
_numbers = itertools.count(1)


class Queue:
    """One queue of the private server and a connection of our own to it."""

    def __init__(self, connection: BlockingConnection, name: str) -> None:
        self.connection = connection
        self.keys = QueueKeys(name)
        self.rules = StoreRules()

    def fill(self, count: int, activity_type: str = "noop", payload: bytes = b"1") -> None:
        """Adds that many activities by the enqueue script, in its own bites."""
        spec = join_spec(Spec(), payload)
        for start in range(0, count, MAX_ITEMS):
            bite = min(MAX_ITEMS, count - start)
            items = [Submission(new_activity_id(), activity_type, spec) for _ in range(bite)]
            self.connection.run(enqueue(self.keys, self.rules, items))

    def pause(self) -> None:
        """Nothing is claimed until `resume`."""
        self.connection.run(pause(self.keys))

    def resume(self) -> None:
        """Claims go on."""
        self.connection.run(resume(self.keys))

    def completed(self) -> int:
        """How many have been completed since the queue was made."""
        return self.connection.run(stats(self.keys)).completed_count


class Supervised:
    """One supervisor with its workers; `start` returns when its first worker has run something."""

    def __init__(self, rig: Rig, app: str, queue: Queue, workers: int, settings: Sequence[str]) -> None:
        self.queue = queue
        self._rig = rig
        self._node = f"bench{next(_numbers)}"
        self._log = rig.folder / f"{self._node}.log"
        self._command = [
            sys.executable, "-m", "rrqmp.supervisor", "--app", app, "--app-dir", str(ROOT),
            "--redis-url", rig.url, "--queue", queue.keys.queue, "--node", self._node,
            "--runtime-dir", str(rig.folder), "--workers", str(workers), *settings,
        ]  # fmt: skip
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """The supervisor's."""
        if self._process is None:
            raise RuntimeError("the supervisor has not been started")
        return self._process.pid

    def start(self) -> Self:
        """Starts it and waits for its first result."""
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=ROOT,
                preexec_fn=prctl.die_with_parent,  # noqa: PLW1509 - no thread runs here yet
            )
        with self._rig.executor(self.queue) as executor:
            future = executor.execute("noop", 1)
            until(lambda: self._serves(future.status), _START_SECONDS, "the first result")
        return self

    def _serves(self, status: Callable[[], object]) -> bool:
        if self._process is not None and self._process.poll() is not None:
            raise RuntimeError(f"the supervisor ended with {self._process.returncode}: {self._log.read_text()}")
        return str(status()) == "completed"

    def processes(self) -> list[int]:
        """Supervisor, template and workers."""
        return [self.pid, *proc.descendants(self.pid)]

    def workers(self) -> list[int]:
        """Its children without the template, which leads no slot: workers and spares run at a lower priority."""
        own = os.getpriority(os.PRIO_PROCESS, self.pid)
        return [pid for pid in proc.children(self.pid) if os.getpriority(os.PRIO_PROCESS, pid) > own]

    def stop(self) -> None:
        """Stops it in order, or kills it."""
        process, self._process = self._process, None
        if process is None:
            return
        process.terminate()
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@dataclass(slots=True)
class _Started:
    server: EmbeddedServer
    connection: BlockingConnection


class Rig:
    """The private server of one run, without a file unless `durable`."""

    def __init__(self, *, durable: bool = False) -> None:
        self._durable = durable
        self._exits = contextlib.ExitStack()
        self._started: _Started | None = None
        self.folder = Path()

    def __enter__(self) -> Self:
        # A benchmark that is told to stop takes down what it started.
        signal.signal(signal.SIGTERM, _leave)
        self.folder = Path(self._exits.enter_context(tempfile.TemporaryDirectory(prefix="rrqmp-bench-")))
        options = {"appendonly": "yes" if self._durable else "no"}
        server = self._exits.enter_context(EmbeddedServer(self.folder / "server", options=options))
        connection = self._exits.enter_context(BlockingConnection(server.url, name="benchmark"))
        self._started = _Started(server, connection)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._exits.close()

    @property
    def url(self) -> str:
        """Of the server."""
        return self._running.server.url

    @property
    def connection(self) -> BlockingConnection:
        """One connection, for the process that measures."""
        return self._running.connection

    @property
    def _running(self) -> _Started:
        if self._started is None:
            raise RuntimeError("the rig has not been entered")
        return self._started

    def queue(self) -> Queue:
        """A new, empty one."""
        return Queue(self.connection, f"bench-{next(_numbers)}")

    def executor(self, queue: Queue) -> ActivityExecutor:
        """A client of that queue."""
        return ActivityExecutor.connect(self.url, queue.keys.queue)

    def supervise(
        self, queue: Queue, *settings: str, app: str = "benchmarks.apps:engine", workers: int = 2
    ) -> Supervised:
        """A running supervisor, stopped with the rig."""
        supervised = Supervised(self, app, queue, workers, settings)
        self._exits.callback(supervised.stop)
        return supervised.start()


def like_a_worker() -> None:
    """In a new process: gives way as our workers do, so that a baseline has it no easier beside other work."""
    prctl.die_with_parent()
    os.setpriority(os.PRIO_PROCESS, 0, min(19, os.getpriority(os.PRIO_PROCESS, 0) + _NICER))


def until(condition: Callable[[], bool], seconds: float, what: str, step: float = 0.005) -> None:
    """Looks again and again until it holds; raises `TimeoutError` naming what never came."""
    give_up = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > give_up:
            raise TimeoutError(f"{what} did not come within {seconds:g} s")
        time.sleep(step)


def _leave(number: int, frame: FrameType | None) -> None:
    sys.exit(128 + number)
