"""What the fixtures that run an engine's handlers have in common: what was submitted, and the engine's own doors."""

from __future__ import annotations

from rrqmp.client.executor import ActivityExecutor
from rrqmp.client.queue import ActivityQueue
from rrqmp.engine.worker_engine import WorkerEngine
from rrqmp.testing.recorder import Recorder


class EngineQueue(Recorder):
    """The queue of one engine, and what was submitted to it."""

    def __init__(self, engine: WorkerEngine) -> None:
        super().__init__()
        self.engine = engine

    @property
    def executor(self) -> ActivityExecutor:
        """Submits to the engine's (first) queue."""
        return self.engine.get_activity_executor()

    @property
    def queue(self) -> ActivityQueue:
        """Counts and records of that queue."""
        return self.engine.get_activity_queue()
