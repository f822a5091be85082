"""The supervisor's log: it never waits for whoever reads it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from rrqmp.model.status import ActivityStatus
from rrqmp.store.embedded import EmbeddedServer
from tests.processes.conftest import Supervise
from tests.processes.harness import APPS, ROOT, TEST_MARK, Queue, eventually

pytestmark = pytest.mark.once


def test_reader_that_does_not_read_delays_no_kill(queue: Queue, server: EmbeddedServer, tmp_path: Path) -> None:
    reader, writer = os.pipe()
    # Full from the start: a plain write would block at once.
    os.set_blocking(writer, False)
    try:
        while True:
            os.write(writer, b"x" * 4096)
    except BlockingIOError:
        pass
    os.set_blocking(writer, True)
    arguments = [f"--queue={queue.keys.queue}", f"--redis-url={server.url}", "--app=acts:engine", f"--app-dir={APPS}"]
    arguments += ["--workers=1", f"--runtime-dir={tmp_path / 'run'}", f"--node=log{os.getpid()}"]
    process = subprocess.Popen(
        [sys.executable, "-m", "rrqmp.supervisor", *arguments],
        env=os.environ | {"PYTHONPATH": str(ROOT), TEST_MARK: "log"},
        stderr=writer,
        stdout=subprocess.DEVNULL,
        cwd=tmp_path,
    )
    os.close(writer)
    try:
        ids = queue.submit_many("hold", [{"notes": str(queue.notes()), "gate": "/no"}] * 5, timeout=0.05, max_retries=0)
        records = queue.all_ended(ids)
        assert {record.status for record in records} == {ActivityStatus.DEAD_LETTER}
        runs = [record.attempts[0].run_seconds or 0 for record in records]
        assert min(runs) < 0.2, runs
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
        # What fitted is there for whoever reads late.
        os.set_blocking(reader, False)
        eventually(lambda: os.read(reader, 65536))
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
        os.close(reader)


def test_sigusr1_prints_what_every_slot_does(queue: Queue, supervise: Supervise) -> None:
    node = supervise(workers=2)
    one = queue.submit("hold", {"notes": str(queue.notes()), "gate": str(queue.gate())})
    queue.noted(one)
    node.idle()
    node.send(signal.SIGUSR1)
    node.logged(f"runs hold {one} for")
    node.logged("in wait_for")
    node.logged(" idle")
    queue.gate().touch()
    assert queue.ended(one).attempt == 1, "a look disturbs nothing"


def test_dump_that_was_only_looked_at_is_not_taken_for_that_of_a_death(queue: Queue, supervise: Supervise) -> None:
    node = supervise(workers=1)
    one = queue.submit("hold", {"notes": str(queue.notes()), "gate": "/nowhere"})
    worker = queue.noted(one, 1).pid
    node.send(signal.SIGUSR1)
    node.logged("in wait_for")
    os.kill(worker, signal.SIGKILL)
    record = queue.await_(one, lambda record: record.crashes == 1)
    assert record.attempts[0].stack == ""
