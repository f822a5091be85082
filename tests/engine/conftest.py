"""Engines started for real, each with a runtime folder of its own; afterwards no process of theirs is left."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from rrqmp.client.executor import ActivityExecutor
from rrqmp.store.embedded import EmbeddedServer

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 20

HEAD = """
from __future__ import annotations
import os, sys, threading
from dataclasses import dataclass
from rrqmp import ActivityContext, ActivityHandler, WorkerEngine
settings = dict(redis_url={url!r}, queue_name={queue!r}, max_workers=1, runtime_dir={runtime!r}, node="test")
"""


@pytest.fixture(autouse=True)
def no_process_is_left(server: EmbeddedServer) -> Iterator[None]:
    before = {child.pid for child in psutil.Process().children(recursive=True)}
    yield
    deadline = time.monotonic() + PATIENCE
    while left := [child for child in psutil.Process().children(recursive=True) if child.pid not in before]:
        assert time.monotonic() < deadline, f"left behind: {left}"
        time.sleep(0.01)


@pytest.fixture
def runtime_dir(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(tmp_path_factory.mktemp("run"))


@pytest.fixture
def settings(server: EmbeddedServer, queue_name: str, runtime_dir: str) -> dict[str, object]:
    """Keywords of an engine on this test's queue."""
    return {
        "redis_url": server.url, "queue_name": queue_name, "max_workers": 1, "runtime_dir": runtime_dir, "node": "test"
    }  # fmt: skip


@pytest.fixture
def executor(server: EmbeddedServer, queue_name: str) -> Iterator[ActivityExecutor]:
    with ActivityExecutor.connect(server.url, queue_name) as connected:
        yield connected


class Script:
    """A program of a test, in a process of its own."""

    def __init__(self, arguments: list[str], folder: Path, text: str | None = None) -> None:
        self.process = subprocess.Popen(
            [sys.executable, *arguments],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdin=subprocess.PIPE if text is not None else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._text = text

    def finish(self) -> tuple[int, str, str]:
        """Exit code, stdout and stderr."""
        out, err = self.process.communicate(self._text, timeout=PATIENCE)
        return self.process.returncode, out, err

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)


@pytest.fixture
def run_script(
    server: EmbeddedServer, queue_name: str, runtime_dir: str, tmp_path: Path
) -> Iterator[Callable[..., Script]]:
    """Starts a script file; `by` says how: `file`, `module` or `stdin`."""
    started: list[Script] = []

    def run(body: str, by: str = "file") -> Script:
        head = HEAD.format(url=server.url, queue=queue_name, runtime=runtime_dir)
        text = head + textwrap.dedent(body)
        if by == "stdin":
            started.append(Script(["-"], tmp_path, text))
        else:
            (tmp_path / "thumbs.py").write_text(text)
            started.append(Script(["thumbs.py"] if by == "file" else ["-m", "thumbs"], tmp_path))
        return started[-1]

    yield run
    for script in started:
        if script.process.poll() is None:
            script.process.kill()
            script.process.communicate()
