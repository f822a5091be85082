"""Real servers for tests, each in a private directory and stopped by its pid."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rrqmp.store.embedded import EmbeddedServer

# No test but those about loss needs a file; the rest would only wait for the disk.
IN_MEMORY = {"appendonly": "no"}


@contextmanager
def embedded_server(directory: Path, **options: str) -> Iterator[EmbeddedServer]:
    """The Valkey that rrqmp starts itself."""
    with EmbeddedServer(directory, options=IN_MEMORY | options) as server:
        yield server


@contextmanager
def debian_server(directory: Path, **options: str) -> Iterator[EmbeddedServer]:
    """The system's redis-server; ask `debian_binary` first whether there is one."""
    binary = debian_binary()
    assert binary is not None
    with EmbeddedServer(directory, options=IN_MEMORY | options, binary=binary) as server:
        yield server


def debian_binary() -> Path | None:
    """Where a Redis of the system is, if it has one."""
    found = shutil.which("redis-server")
    return Path(found) if found else None
