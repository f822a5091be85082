"""Hooks and callbacks that raise, hang or die, as the environment says: `NAME=raises|hangs|dies`, one or more."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rrqmp import ActivityHandler, MetricsSink, WorkerEngine, WorkerInfo

MODES = dict(entry.split("=") for entry in os.environ.get("CALLBACKS", "").split())


class Lines(MetricsSink):
    def inc_counter(self, name: str, value: int, attributes: Mapping[str, str]) -> None:
        with Path(os.environ["SINK_LINES"]).open("a") as file:
            file.write(f"{name} {' '.join(attributes.values())}\n")

    def observe_duration(self, name: str, seconds: float, attributes: Mapping[str, str]) -> None: ...


def trouble(name: str) -> None:
    """Does what the test asks for, the first time on this host where that would end in a loop."""
    mode = MODES.get(name)
    once = Path(os.environ["SINK_LINES"]).with_suffix(f".{name}")
    if name in ("on_worker_start", "setup"):
        if once.exists():
            return
        once.touch()
    if mode == "raises":
        raise ValueError(f"{name} raised")
    if mode == "hangs":
        while True:
            try:
                time.sleep(60)
            except BaseException:
                pass
    if mode == "dies":
        os._exit(7)


engine = WorkerEngine(metrics=Lines(), dead_letter_timeout=0.2)


class Troubled(ActivityHandler[Any, Any]):
    activity_type = "troubled"
    setup_timeout = 0.3
    max_retries = 0

    def setup(self, worker: WorkerInfo) -> None:
        trouble("setup")

    def handle(self, payload: Any) -> Any:
        if payload == "fail":
            raise ValueError("for good")
        return payload

    def on_dead_letter(self, payload: Any, context: Any, error: Exception) -> None:
        trouble("on_dead_letter")

    def teardown(self) -> None:
        trouble("teardown")


engine.register_activity(Troubled)


@engine.on_worker_start(timeout=0.3)
def start() -> None:
    trouble("on_worker_start")


@engine.on_worker_stop
def stop() -> None:
    trouble("on_worker_stop")
