"""A real queue for a test: the application's engine under a supervisor, with workers in processes of their own."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from rrqmp.engine.worker_engine import WorkerEngine
from rrqmp.settings.table import ENVIRONMENT_PREFIX
from rrqmp.testing.engine_queue import EngineQueue
from rrqmp.testing.stage import Setter, Stage, empty, staged, watch_submissions

_WORKERS = 2


class Patch(Setter, Protocol):
    """pytest's `monkeypatch`, with the environment."""

    def setenv(self, name: str, value: str) -> None: ...


class RealQueue(EngineQueue):
    """What was submitted, and the doors to what became of it. Results are waited for with the futures themselves."""


@contextmanager
def running_for_real(url: str, engine: WorkerEngine, patch: Patch, folder: Path) -> Iterator[RealQueue]:
    """What the fixture `rrqmp_queue` does."""
    empty(url)
    # The environment goes before what the application sets, in its workers too.
    for name, value in {
        "REDIS_URL": url,
        "RUNTIME_DIR": str(folder / "rrqmp"),
        "NODE": f"test-{os.getpid()}",
        "MAX_WORKERS": os.environ.get(f"{ENVIRONMENT_PREFIX}MAX_WORKERS", str(_WORKERS)),
        "SHUTDOWN_TIMEOUT": "1s",
    }.items():
        patch.setenv(ENVIRONMENT_PREFIX + name, value)
    queue = RealQueue(engine)
    watch_submissions(patch, queue.note)
    with staged(Stage(url), patch), engine.running():
        yield queue
