"""Huey, the fastest of the Python peers, with the same handler on the same server; absent is no fault.

It acknowledges nothing: what a worker has popped is gone if the worker dies.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

from benchmarks.rig import ROOT, Rig, like_a_worker, until


def is_there() -> bool:
    """Whether it can be compared with."""
    return importlib.util.find_spec("huey") is not None


@contextlib.contextmanager
def consumer(rig: Rig, workers: int, *, with_numpy: bool = False) -> Iterator[int]:
    """Its consumer with worker processes; the pid."""
    command = [sys.executable, "-m", "huey.bin.huey_consumer", "benchmarks.huey_app.huey", "-k", "process"]
    # Quiet: by default it writes a log line for each task.
    command += ["-w", str(workers), "-q"]
    environment = os.environ | {"HUEY_URL": rig.url, "HUEY_NUMPY": "1" if with_numpy else ""}
    with (rig.folder / "huey.log").open("wb") as log:
        process = subprocess.Popen(
            command, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            process_group=0, preexec_fn=like_a_worker,  # noqa: PLW1509 - no thread runs here
        )  # fmt: skip
    try:
        yield process.pid
    finally:
        process.terminate()
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


class Producer:
    """A client of it in this process."""

    def __init__(self, rig: Rig) -> None:
        os.environ["HUEY_URL"] = rig.url
        # Late: it may be absent, and it connects to where the environment points.
        from benchmarks import huey_app

        self._app: Any = huey_app

    def enqueue(self, count: int) -> float:
        """Adds no-ops one at a time; how many a second."""
        noop = self._app.noop
        began = time.perf_counter()
        for _ in range(count):
            noop(1)
        return count / (time.perf_counter() - began)

    def waiting(self) -> int:
        """How many nobody has popped."""
        return int(self._app.huey.pending_count())

    def flush(self) -> None:
        """Forgets what waits."""
        self._app.huey.flush()

    def drain_rate(self, count: int) -> float:
        """No-ops a second of a running consumer over the middle of a backlog, taken while it works."""
        until(lambda: self.waiting() < count * 0.9, 60, "Huey's first tenth", 0.001)
        first, began = self.waiting(), time.monotonic()
        until(lambda: self.waiting() < count * 0.05, 60, "Huey's end")
        return (first - self.waiting()) / (time.monotonic() - began)
