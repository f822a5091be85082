"""Supervisors under test, and the rule that nothing of them is left behind."""

from __future__ import annotations

import itertools
import os
import secrets
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from rrqmp.store.connection import BlockingConnection
from rrqmp.store.embedded import EmbeddedServer
from rrqmp.store.keys import QueueKeys
from tests.processes.harness import TEST_MARK, Queue, Supervised, eventually, start_supervisor
from tests.processes.proxy import Proxy
from tests.servers import embedded_server

Supervise = Callable[..., Supervised]
_numbers = itertools.count(1)


@pytest.fixture
def queue(store: BlockingConnection, keys: QueueKeys, tmp_path: Path) -> Queue:
    """The test's queue on the shared server."""
    return Queue(store, keys, tmp_path)


@pytest.fixture
def proxy(server: EmbeddedServer, tmp_path: Path) -> Iterator[Proxy]:
    """A relay in front of the shared server; to be asked for before `supervise`, so that it outlives the supervisor."""
    with Proxy(server.place.socket, tmp_path / "proxy.sock") as running:
        yield running


@pytest.fixture
def supervise(server: EmbeddedServer, queue_name: str, tmp_path: Path) -> Iterator[Supervise]:
    """Starts supervisors of the test's queue; at the end they are stopped, and nothing of them may be left."""
    started: list[Supervised] = []
    runtime_dir = tmp_path / "run"

    def start(*, wait: bool = True, **options: object) -> Supervised:
        arguments: dict[str, object] = {
            "url": server.url,
            "queues": (queue_name,),
            "node": f"n{os.getpid()}-{next(_numbers)}",
            "runtime_dir": runtime_dir,
            "log_path": tmp_path / f"log{len(started)}",
            "mark": secrets.token_hex(8),
        } | options
        started.append(start_supervisor(**arguments))  # type: ignore[arg-type]
        return started[-1].wait_ready() if wait else started[-1]

    yield start
    try:
        for one in started:
            if one.process.poll() is None:
                one.send(signal.SIGCONT)
                code = one.stop()
                assert code == 0, f"exit code {code}:\n{one.log}"
        assert_nothing_is_left(started, runtime_dir)
    finally:
        for one in started:
            clean_up(one)


def assert_nothing_is_left(started: list[Supervised], runtime_dir: Path) -> None:
    """No process, no board, no socket; the log is shown where something is."""
    for one in started:
        eventually(lambda one=one: not one.left(), patience=2, seen=lambda one=one: (one.left(), one.log[-3000:]))
    files = sorted(path.name for path in runtime_dir.iterdir()) if runtime_dir.exists() else []
    # The board of a supervisor that was killed stays for the next of its name.
    killed = {one.board_file.name for one in started if one.process.returncode == -signal.SIGKILL}
    assert not set(files) - killed, f"left in the runtime directory: {files}"


def clean_up(one: Supervised) -> None:
    """Kills what a failed test leaves."""
    for line in one.left():
        try:
            os.kill(int(line.partition(":")[0]), signal.SIGKILL)
        except ProcessLookupError:
            pass
    one.process.wait()


@pytest.fixture
def own_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServer]:
    """A server of this test's own, which it may stop, kill and restart; it keeps its file."""
    with embedded_server(tmp_path_factory.mktemp("own"), appendonly="yes", appendfsync="always") as running:
        yield running


__all__ = ["TEST_MARK", "Supervise", "own_server", "proxy", "queue", "supervise"]
