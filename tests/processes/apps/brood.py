"""Handlers that leave processes behind; each writes the pid of what it started and waits to be killed."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import time
from multiprocessing import shared_memory
from typing import Any

from notes import App, note

from rrqmp.handling.context import ActivityContext

engine = App()
SLEEP = [sys.executable, "-S", "-c", "import time; time.sleep(600)"]


def sleep_forever() -> None:
    while True:
        time.sleep(600)


def daemonize() -> int:
    """A double-forked daemon in a session of its own; its pid."""
    reader, writer = os.pipe()
    between = os.fork()
    if between == 0:
        os.setsid()
        pid = os.fork()
        if pid == 0:
            os.close(reader)
            os.execv(SLEEP[0], SLEEP)
        os.write(writer, str(pid).encode())
        os._exit(0)
    os.waitpid(between, 0)
    os.close(writer)
    pid = int(os.read(reader, 32))
    os.close(reader)
    return pid


@engine.add
def has_child(payload: Any, context: ActivityContext) -> None:
    note(payload, context, str(subprocess.Popen(SLEEP).pid))
    sleep_forever()


@engine.add
def has_daemon(payload: Any, context: ActivityContext) -> None:
    note(payload, context, str(daemonize()))
    sleep_forever()


@engine.add
def has_process(payload: Any, context: ActivityContext) -> None:
    child = multiprocessing.get_context("fork").Process(target=sleep_forever)
    child.start()
    note(payload, context, str(child.pid))
    sleep_forever()


@engine.add
def leaves_daemon(payload: Any, context: ActivityContext) -> int:
    """Returns, and its daemon stays."""
    pid = daemonize()
    note(payload, context, str(pid))
    return pid


@engine.add
def has_many(payload: Any, context: ActivityContext) -> None:
    """Daemons by the dozen."""
    note(payload, context, " ".join(str(daemonize()) for _ in range(payload["number"])))
    sleep_forever()


@engine.add
def has_bomb(payload: Any, context: ActivityContext) -> None:
    """Children that go on forking, up to a number, each in a session of its own."""
    until = time.monotonic() + 30
    note(payload, context)
    for _ in range(payload["number"]):
        if os.fork() == 0:
            os.setsid()
            while time.monotonic() < until:
                pid = os.fork()
                if pid:
                    # The chain goes on in the child; the parent leaves it an orphan.
                    os._exit(0)
                time.sleep(0.002)
            os._exit(0)
    sleep_forever()


@engine.add
def has_shared_memory(payload: Any, context: ActivityContext) -> None:
    """A segment that only the resource tracker can unlink once this process is dead."""
    segment = shared_memory.SharedMemory(create=True, size=4096)
    note(payload, context, segment.name)
    sleep_forever()


@engine.add
def terminates_children(payload: Any, context: ActivityContext) -> list[int]:
    """Exit codes, without repetition, of children that were asked to end as soon as they were started."""
    codes = set()
    for _ in range(50):
        popen = subprocess.Popen(SLEEP)
        popen.terminate()
        process = multiprocessing.get_context("fork").Process(target=sleep_forever)
        process.start()
        process.terminate()
        process.join()
        codes |= {popen.wait(), process.exitcode}
    return list(codes)


@engine.add
def comes_back_twice(way: str) -> str:
    """A fork whose child does not know that it is one; the parent sees its end."""
    pid = os.fork()
    if pid == 0:
        if way == "raises":
            raise ValueError("in the child")
        if way == "exits":
            sys.exit(3)
        return "the child's"
    os.waitpid(pid, 0)
    return "the parent's"
