"""What a handler says while it runs, and what a thread of it says that has outlived it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from rrqmp.handling.invocation import Invoker
from rrqmp.handling.registry import Registry
from rrqmp.shared_state.board import STRIDE, Page, map_page
from rrqmp.worker.board_signals import ActivitySignals
from rrqmp.worker.record import Record
from rrqmp.worker.soft_limit import SoftLimit

FIRST, SECOND = "a" * 36, "b" * 36


@pytest.fixture
def page() -> Iterator[Page]:
    descriptor = os.memfd_create("board")
    os.ftruncate(descriptor, 2 * STRIDE)
    yield map_page(descriptor, 1)
    os.close(descriptor)


def test_thread_that_outlives_its_activity_tells_nothing_of_the_next(page: Page) -> None:
    record = Record(page, memoryview(bytearray(4096)).cast("Q"), -1)
    source: Any = None
    signals = ActivitySignals(page, source, SoftLimit(record.words, Invoker(Registry())))
    with ThreadPoolExecutor(1) as other:
        record.begin(FIRST.encode(), b"t", 1, 10**9, 0, more=False)
        other.submit(signals.report, FIRST, 500_000, b"half").result()
        assert page.read_progress() == (500_000, b"half")
        record.end()
        record.begin(SECOND.encode(), b"t", 1, 10**9, 0, more=False)
        other.submit(signals.report, FIRST, 900_000, b"nearly").result()
        assert page.read_progress() is None
    signals.report(SECOND, 100_000, b"begun")
    assert page.read_progress() == (100_000, b"begun")
