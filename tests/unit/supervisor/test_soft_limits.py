"""When the signal of a soft limit goes out: not before its time, never blindly, and again until it is taken."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Iterator

import pytest

from rrqmp.kernel.pidfd import open_pidfd
from rrqmp.kernel.signals import SOFT_LIMIT
from rrqmp.shared_state.board import STRIDE, Board, Word
from rrqmp.supervisor.soft_limits import SoftLimits
from rrqmp.supervisor.worker_handle import WorkerHandle

NOW = 1_000_000_000


@pytest.fixture
def handle() -> Iterator[WorkerHandle]:
    """The test's own process in the place of a worker."""
    descriptor = os.memfd_create("board")
    os.ftruncate(descriptor, 2 * STRIDE)
    board = Board(descriptor, 2, writable=True)
    near, far = socket.socketpair()
    pidfd = open_pidfd(os.getpid())
    with near, far:
        handle = WorkerHandle(1, board.pages[0], near, -1, 1, pid=os.getpid(), pidfd=pidfd)
        handle.page.words[Word.SEQ] = 3
        yield handle
    os.close(pidfd)
    board.close()


@pytest.fixture
def heard() -> Iterator[list[int]]:
    numbers: list[int] = []
    former = signal.signal(SOFT_LIMIT, lambda number, frame: numbers.append(number))
    yield numbers
    signal.signal(SOFT_LIMIT, former)


def test_without_a_soft_limit_there_is_nothing_to_look_for(handle: WorkerHandle) -> None:
    assert SoftLimits().examine(handle, 3, NOW) > 2**60


def test_it_waits_for_the_time(handle: WorkerHandle, heard: list[int]) -> None:
    handle.page.words[Word.SOFT] = NOW + 5
    assert SoftLimits().examine(handle, 3, NOW) == NOW + 5
    assert (heard, handle.page.words[Word.SOFT_SENT]) == ([], 0)


def test_it_signals_again_later_and_later_until_it_is_taken(handle: WorkerHandle, heard: list[int]) -> None:
    limits, now, pauses = SoftLimits(), NOW, []
    handle.page.words[Word.SOFT] = NOW
    for _ in range(8):
        later = limits.examine(handle, 3, now)
        # A look in between, for another worker's sake, sends nothing.
        assert limits.examine(handle, 3, now + 1) == later
        pauses.append(later - now)
        now = later
    assert len(heard) == 8
    assert pauses[0] < pauses[2] < pauses[-1] == pauses[-2]
    assert handle.page.words[Word.SOFT_SENT] == 3
    handle.page.words[Word.SOFT] = 0
    assert limits.examine(handle, 3, now) > 2**60
    assert len(heard) == 8


def test_next_activity_is_signalled_at_its_own_time(handle: WorkerHandle, heard: list[int]) -> None:
    limits = SoftLimits()
    handle.page.words[Word.SOFT] = NOW
    for _ in range(6):
        limits.examine(handle, 3, NOW)
        handle.soft_again_ns = 0
    handle.page.words[Word.SEQ] = 4
    first = limits.examine(handle, 4, NOW)
    assert first - NOW < 10_000_000
    assert handle.page.words[Word.SOFT_SENT] == 4


def test_process_that_would_die_of_the_signal_is_not_sent_it(handle: WorkerHandle) -> None:
    former = signal.signal(SOFT_LIMIT, signal.SIG_DFL)
    try:
        handle.page.words[Word.SOFT] = NOW
        assert SoftLimits().examine(handle, 3, NOW) > NOW
    finally:
        signal.signal(SOFT_LIMIT, former)
