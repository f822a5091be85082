"""An engine whose sink raises, hangs or writes lines, as the environment says."""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping
from typing import Any

from rrqmp import MetricsSink, WorkerEngine


class Lines(MetricsSink):
    """One line a call."""

    def inc_counter(self, name: str, value: int, attributes: Mapping[str, str]) -> None:
        self._write(f"{name} {value} {attributes['type']}")

    def observe_duration(self, name: str, seconds: float, attributes: Mapping[str, str]) -> None:
        self._write(f"{name} {seconds >= 0} {attributes['type']}")

    def close(self) -> None:
        self._write("closed")

    def _write(self, line: str) -> None:
        with open(os.environ["SINK_LINES"], "a") as file:
            file.write(f"{os.getpid()} {line}\n")


class Raises(Lines):
    def inc_counter(self, name: str, value: int, attributes: Mapping[str, str]) -> None:
        raise SystemExit("the sink has had enough")


class Hangs(Lines):
    def inc_counter(self, name: str, value: int, attributes: Mapping[str, str]) -> None:
        threading.Event().wait()


SINKS = {"lines": Lines, "raises": Raises, "hangs": Hangs}
engine = WorkerEngine(metrics=SINKS[os.environ["SINK_KIND"]]())


@engine.activity
def echo(payload: Any) -> Any:
    return payload


@engine.activity
def pid(payload: Any) -> int:
    return os.getpid()


@engine.activity(max_retries=0)
def hang(payload: Any) -> None:
    while True:
        pass
