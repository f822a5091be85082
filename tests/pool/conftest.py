"""Pools for tests: one local pool for all that may share it, and workers elsewhere for the remote ones."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path

import psutil
import pytest

from rrqmp import PoolExecutor
from rrqmp.store.embedded import EmbeddedServer
from tests.processes.harness import ROOT, Supervised, eventually, start_supervisor

KEY = "a key for tests, of 16 bytes or more"
CHILD_PATIENCE = 30
# Whoever runs the tests in the background of a shell has this signal ignored, and so has what they start.
_HEARS_CONTROL_C = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"


@pytest.fixture(scope="session")
def shared_pool(runtime_directory: None) -> Iterator[PoolExecutor]:
    """A local pool of two workers; each test leaves it as it found it."""
    with PoolExecutor(2) as pool:
        yield pool


@pytest.fixture(autouse=True, scope="session")
def no_process_is_left() -> Iterator[None]:
    """Every pool takes all its processes and its folder along."""
    yield
    eventually(lambda: not left_over(), seen=left_over)


def left_over() -> list[str]:
    """What is below us and belongs to a pool."""
    found = []
    for process in psutil.Process().children(recursive=True):
        try:
            found.append(" ".join(process.cmdline()))
        except psutil.NoSuchProcess:
            continue
    return [line for line in found if "rrqmp-pool" in line]


@pytest.fixture(scope="session")
def pool_workers(server: EmbeddedServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Supervised]:
    """`rrqmp run --app rrqmp.pool.application:engine` on a queue of its own, with five workers."""
    folder = tmp_path_factory.mktemp("pool")
    started = start_supervisor(
        url=server.url,
        queues=("pooled",),
        node=f"pool{os.getpid()}",
        runtime_dir=folder / "run",
        log_path=folder / "log",
        mark=secrets.token_hex(8),
        app="rrqmp.pool.application:engine",
        app_dir=folder,
        workers=5,
        environment={"RRQMP_KEY": KEY},
    )
    yield started.wait_ready()
    assert started.stop() == 0, started.log
    assert not started.left()


@pytest.fixture
def remote_pool(server: EmbeddedServer, pool_workers: Supervised) -> Iterator[PoolExecutor]:
    """A pool over those workers."""
    with PoolExecutor(redis_url=server.url, queue="pooled", key=KEY) as pool:
        yield pool


@pytest.fixture
def run_program(tmp_path: Path) -> Iterator[Callable[[str], subprocess.Popen[str]]]:
    """Starts a program of its own, in a group of its own, as a shell would."""
    started: list[subprocess.Popen[str]] = []

    def run(text: str) -> subprocess.Popen[str]:
        (tmp_path / "program.py").write_text(_HEARS_CONTROL_C + textwrap.dedent(text))
        process = subprocess.Popen(
            [sys.executable, "program.py"],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(tmp_path), "PYTHONFAULTHANDLER": "1"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            process_group=0,
        )
        started.append(process)
        return process

    yield run
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate()


def is_running(future: Future[object]) -> Callable[[], bool]:
    """A probe for `eventually`."""
    return future.running
