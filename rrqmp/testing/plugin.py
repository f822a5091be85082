"""The pytest plugin. pytest imports it in every project that has rrqmp, so everything else is imported by fixtures."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from rrqmp.store.embedded import EmbeddedServer
    from rrqmp.testing.eager import EagerQueue
    from rrqmp.testing.real import RealQueue
    from rrqmp.testing.recorder import Recorder


@pytest.fixture
def rrqmp_engine() -> Any:
    """The engine under test: to be overridden in the project's `conftest.py`."""
    raise pytest.UsageError(
        "rrqmp_eager and rrqmp_queue run the handlers of an engine: override the fixture rrqmp_engine in conftest.py "
        "and return yours, for example: from shop.activities import engine; return engine"
    )


@pytest.fixture(scope="session")
def rrqmp_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServer]:
    """A private server of this test session, in memory only; emptied before each test that uses it."""
    from rrqmp.store.embedded import EmbeddedServer

    folder: Path = tmp_path_factory.mktemp("rrqmp")
    with EmbeddedServer(folder, options={"appendonly": "no"}) as server:
        yield server


@pytest.fixture
def rrqmp_recorder(rrqmp_server: EmbeddedServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[Recorder]:
    """Keeps what is submitted; nothing runs."""
    from rrqmp.testing.recorder import recording

    with recording(rrqmp_server.url, monkeypatch) as recorder:
        yield recorder


@pytest.fixture
def rrqmp_eager(
    rrqmp_server: EmbeddedServer, rrqmp_engine: Any, monkeypatch: pytest.MonkeyPatch
) -> Iterator[EagerQueue]:
    """Runs what is submitted at once, in this process, through the real codec and the real scripts."""
    from rrqmp.testing.eager import running_in_place

    with running_in_place(rrqmp_server.url, rrqmp_engine, monkeypatch) as queue:
        yield queue


@pytest.fixture
def rrqmp_queue(
    rrqmp_server: EmbeddedServer, rrqmp_engine: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[RealQueue]:
    """A real queue with a supervisor and its workers, ready when the test begins and gone when it ends."""
    from rrqmp.testing.real import running_for_real

    with running_for_real(rrqmp_server.url, rrqmp_engine, monkeypatch, tmp_path) as queue:
        yield queue
