"""Which deaths make the next start wait, and which end the supervisor."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator

import msgspec
import pytest

from rrqmp.shared_state.board import STRIDE, Board, KillReason, Page, Word
from rrqmp.shared_state.exit_report import ExitReport
from rrqmp.supervisor.boots import Boots
from rrqmp.supervisor.worker_handle import WorkerHandle

KILLED = ExitReport(
    summary="killed", node="n@b", pid=1, slot=0, inc=1, ended_at=1.0, life_seconds=60.0, cpu_seconds=0.0,
    signal="SIGKILL",
)  # fmt: skip
YOUNG = msgspec.structs.replace(KILLED, life_seconds=0.1)


@pytest.fixture
def page() -> Iterator[Page]:
    descriptor = os.memfd_create("board")
    os.ftruncate(descriptor, 2 * STRIDE)
    board = Board(descriptor, 2, writable=True)
    yield board.pages[0]
    board.close()


@pytest.fixture
def handle(page: Page) -> Iterator[WorkerHandle]:
    near, far = socket.socketpair()
    with near, far:
        yield WorkerHandle(1, page, near, -1, 1)


def test_starts_that_fail_in_a_row_end_the_supervisor(handle: WorkerHandle) -> None:
    loops: list[str] = []
    boots = Boots(loops.append)
    while not loops:
        boots.died(handle, YOUNG, was_ready=False)
        assert boots.wait_seconds() > 0
    assert "before they can work" in loops[0]


def test_old_worker_that_somebody_killed_is_replaced_at_once(handle: WorkerHandle) -> None:
    handle.page.words[Word.SEQ] = 7
    boots = Boots(pytest.fail)
    boots.died(handle, KILLED, was_ready=True)
    assert boots.wait_seconds() == 0


def test_workers_that_die_young_at_nobodys_cost_are_replaced_slower_and_slower(handle: WorkerHandle) -> None:
    handle.page.words[Word.SEQ] = 1
    boots = Boots(pytest.fail)
    waits = []
    for _ in range(20):
        boots.died(handle, YOUNG, was_ready=True)
        waits.append(boots.wait_seconds())
    assert waits[0] < 0.2 < waits[5]


def test_death_that_was_ordered_is_no_failed_start(handle: WorkerHandle) -> None:
    handle.ordered = KillReason.RELEASED
    boots = Boots(pytest.fail)
    boots.died(handle, YOUNG, was_ready=False)
    assert boots.wait_seconds() == 0


@pytest.mark.parametrize("ordered", [KillReason.NONE, KillReason.TIMED_OUT])
def test_start_hook_that_crashes_or_hangs_is_a_failed_start(handle: WorkerHandle, ordered: KillReason) -> None:
    # The hook has a number of its own on the board, which is no sign of work done.
    handle.page.words[Word.SEQ] = 1
    handle.ordered = ordered
    loops: list[str] = []
    boots = Boots(loops.append)
    while not loops:
        boots.died(handle, KILLED, was_ready=False)
        assert boots.wait_seconds() > 0
