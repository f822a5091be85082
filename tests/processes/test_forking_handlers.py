"""A handler that forks and forgets that it did: its child must never pass for the worker."""

from __future__ import annotations

import pytest

from tests.processes.conftest import Supervise
from tests.processes.harness import Queue


@pytest.mark.parametrize("way", ["returns", "raises", "exits"])
def test_child_that_comes_back_from_a_handler_ends_there(supervise: Supervise, queue: Queue, way: str) -> None:
    supervise(workers=1, app="brood:engine")
    record = queue.ended(queue.submit("comes_back_twice", way, timeout=10.0, max_retries=0))
    assert record.result == b'"the parent\'s"'
    assert len(record.attempts) == 1
    # The worker is whole, and its connection is its own.
    again = queue.ended(queue.submit("comes_back_twice", way, timeout=10.0, max_retries=0))
    assert again.attempts[-1].pid == record.attempts[-1].pid
