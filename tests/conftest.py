"""One real server for the whole run, a queue name and keys for each test."""

from __future__ import annotations

import itertools
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from rrqmp.store.connection import BlockingConnection
from rrqmp.store.embedded import EmbeddedServer
from rrqmp.store.keys import QueueKeys
from tests.servers import embedded_server

_numbers = itertools.count(1)


@pytest.fixture(scope="session", autouse=True)
def runtime_directory() -> Iterator[None]:
    """A short folder for sockets whose own would have too long a path, and for whatever forgets to name one."""
    before = os.environ.get("XDG_RUNTIME_DIR")
    with tempfile.TemporaryDirectory(prefix="rrqmp-test-") as folder:
        os.environ["XDG_RUNTIME_DIR"] = folder
        yield
    if before is None:
        del os.environ["XDG_RUNTIME_DIR"]
    else:
        os.environ["XDG_RUNTIME_DIR"] = before


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServer]:
    """The embedded Valkey, shared by all tests of this process."""
    directory: Path = tmp_path_factory.mktemp("server")
    with embedded_server(directory) as running:
        yield running


@pytest.fixture
def queue_name() -> str:
    """A queue that no other test uses."""
    return f"q{os.getpid()}-{next(_numbers)}"


@pytest.fixture
def keys(queue_name: str) -> QueueKeys:
    """The keys of this test's queue."""
    return QueueKeys(queue_name)


@pytest.fixture
def store(server: EmbeddedServer) -> Iterator[BlockingConnection]:
    """An open connection to the shared server."""
    with BlockingConnection(server.url, name="test") as connection:
        yield connection
