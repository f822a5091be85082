"""A collector, and the supervisors of the process tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.processes.conftest import own_server, queue, supervise
from tests.telemetry.collector import Collector


@pytest.fixture
def collector() -> Iterator[Collector]:
    """Takes spans and metrics on this host."""
    with Collector() as running:
        yield running


@pytest.fixture
def to_collector(collector: Collector, monkeypatch: pytest.MonkeyPatch) -> Collector:
    """The same, and this process's exporters send to it."""
    for name, value in collector.environment.items():
        monkeypatch.setenv(name, value)
    return collector


__all__ = ["own_server", "queue", "supervise"]
