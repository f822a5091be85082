"""The application that benchmarks run: handlers that do nothing, burn a core, tell the time, or never return."""

from __future__ import annotations

import itertools
import json
import os
import socket
import time

from benchmarks.spinning import spin
from rrqmp import ActivityContext, WorkerEngine


def noop(payload: object) -> None:
    """Nothing."""


def stamp(payload: object) -> int:
    """The monotonic clock at the first line, which all processes of one host share."""
    return time.monotonic_ns()


def stamp_wall(payload: object) -> int:
    """The time of day at the first line, in microseconds, as the server tells due times."""
    return time.time_ns() // 1000


def burn(rounds: int) -> list[int]:
    """Burns a stated amount of work; who did it, and from when to when."""
    began = time.monotonic_ns()
    spin(rounds)
    return [os.getpid(), began, time.monotonic_ns()]


def stuck_in_python(probe: str, context: ActivityContext) -> None:
    """Tells the probe its pid and deadline, then never returns."""
    _report(probe, context)
    while True:
        pass


def stuck_in_c(probe: str, context: ActivityContext) -> None:
    """The same inside C: holds the GIL, looks at no signal."""
    _report(probe, context)
    sum(itertools.repeat(0))


def heeds(probe: str, context: ActivityContext) -> None:
    """Tells the probe, and once more when it hears of its cancel."""
    _report(probe, context)
    while not context.cancel_token.is_cancelled():
        time.sleep(0)
    _report(probe, context)


def race(payload: tuple[str, int, int], context: ActivityContext) -> int:
    """Notes its start, then runs for that many microseconds, or until it is cancelled where it heeds that."""
    began = time.monotonic_ns()
    notes, microseconds, heeds_cancel = payload
    descriptor = os.open(notes, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    os.write(descriptor, f"{context.activity_id}\n".encode())
    os.close(descriptor)
    while time.monotonic_ns() - began < microseconds * 1000:
        if heeds_cancel and context.cancel_token.is_cancelled():
            break
    return context.attempt


def _report(probe: str, context: ActivityContext) -> None:
    words = {"pid": os.getpid(), "deadline": context.deadline, "began": time.monotonic_ns(), "attempt": context.attempt}
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        sender.sendto(json.dumps(words).encode(), probe)


def make_engine() -> WorkerEngine:
    """All handlers in one application."""
    made = WorkerEngine()
    for handler in (noop, stamp, stamp_wall, burn, stuck_in_python, stuck_in_c, heeds, race):
        made.register_activity(handler)
    return made


engine = make_engine()
