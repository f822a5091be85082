"""Handlers that have something to set up: slowly, not at the first try, never."""

import os
import time
from pathlib import Path
from typing import Any

from rrqmp import ActivityContext, ActivityHandler
from rrqmp.handling.worker_facts import WorkerInfo
from rrqmp.runner import Registry


class Slow(ActivityHandler[Any, str]):
    def setup(self, worker: WorkerInfo) -> None:
        time.sleep(0.6)
        self.found = "ready"

    def handle(self, payload: Any, context: ActivityContext) -> str:
        return self.found


class Second(ActivityHandler[Any, str]):
    """Fails the first time in each process."""

    tries = 0

    def setup(self, worker: WorkerInfo) -> None:
        type(self).tries += 1
        if self.tries == 1:
            raise OSError("not yet")

    def handle(self, payload: Any, context: ActivityContext) -> str:
        return f"try {self.tries}"


class Hanging(ActivityHandler[Any, str]):
    """Hangs in the first process of all."""

    setup_timeout = 0.5

    def setup(self, worker: WorkerInfo) -> None:
        met = Path(os.environ["HUNG"])
        if not met.exists():
            met.touch()
            time.sleep(60)

    def handle(self, payload: Any, context: ActivityContext) -> str:
        return "came through"


registry = Registry()
registry.register("slow", Slow)
registry.register("second", Second)
registry.register("hanging", Hanging)
