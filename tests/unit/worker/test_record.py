"""Beginning and ending activities on the board, and the handshake with a kill."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from rrqmp.model.progress import MESSAGE_BYTES_MOST
from rrqmp.shared_state.board import (
    PROGRESS_NONE,
    STRIDE,
    Board,
    Head,
    KillReason,
    Page,
    Word,
    WorkerState,
)
from rrqmp.shared_state.messages import pair
from rrqmp.supervisor.ladder import Ladder
from rrqmp.supervisor.worker_handle import WorkerHandle
from rrqmp.worker.record import HOLD_UP_NS, Record

ID = b"0" * 36
SECOND = 1_000_000_000


@dataclass
class Setting:
    """A worker's record, and the supervisor's view of the same page."""

    record: Record
    page: Page
    board: Board
    wake: int

    def poked(self) -> bool:
        try:
            return bool(os.read(self.wake, 8))
        except BlockingIOError:
            return False

    def begin(self, timeout_ns: int = SECOND, *, more: bool = False) -> int:
        return self.record.begin(ID, b"type", 1, timeout_ns, 0, more=more)


@pytest.fixture
def at() -> Iterator[Setting]:
    descriptor = os.memfd_create("board")
    os.ftruncate(descriptor, 2 * STRIDE)
    board = Board(descriptor, 2, writable=True)
    wake = os.eventfd(0, os.EFD_NONBLOCK)
    yield Setting(Record(board.pages[0], board.head, wake), board.pages[0], board, wake)
    os.close(wake)
    board.close()


def test_activity_is_busy_from_its_beginning_to_its_end(at: Setting) -> None:
    assert not at.page.busy
    at.begin()
    assert at.page.busy
    assert at.page.state is WorkerState.RUNNING
    assert (at.page.activity_id(), at.page.activity_type()) == (ID.decode(), "type")
    at.record.end()
    assert not at.page.busy
    assert at.page.words[Word.DEADLINE] == 0


def test_deadline_before_the_next_look_wakes_the_supervisor(at: Setting) -> None:
    at.board.head[Head.NEXT_WAKE] = time.monotonic_ns() + SECOND
    at.begin(SECOND // 10)
    assert at.poked()


def test_deadline_after_the_next_look_costs_no_call(at: Setting) -> None:
    at.board.head[Head.NEXT_WAKE] = time.monotonic_ns() + SECOND
    at.begin(60 * SECOND)
    assert not at.poked()


def test_batch_behind_it_asks_for_a_look_long_before_the_deadline(at: Setting) -> None:
    at.board.head[Head.NEXT_WAKE] = time.monotonic_ns() + SECOND
    started = at.begin(60 * SECOND, more=True)
    assert at.page.words[Word.LOOK_AT] == started + HOLD_UP_NS
    assert at.poked()


def test_condemned_activity_does_not_end_until_it_is_let_go(at: Setting) -> None:
    at.begin()
    at.page.words[Word.CONDEMNED] = at.page.words[Word.SEQ]
    ending = threading.Thread(target=at.record.end)
    ending.start()
    ending.join(0.05)
    assert ending.is_alive(), "parked: it may neither settle nor claim"
    at.page.words[Word.CONDEMNED] = 0
    ending.join(5)
    assert not ending.is_alive()


def test_order_against_an_earlier_activity_holds_nobody_up(at: Setting) -> None:
    at.begin()
    at.page.words[Word.CONDEMNED] = 1
    at.record.words[Word.SEQ] = 2
    at.record.end()
    assert not at.page.busy


def test_revoked_batch_is_seen(at: Setting) -> None:
    at.record.hold(ID, 1, 5, 0)
    assert not at.record.revoked
    at.page.words[Word.REVOKED] = 5
    assert at.record.revoked


def test_condemning_takes_only_the_activity_that_is_meant(at: Setting) -> None:
    near, far = pair()
    with near, far:
        handle = WorkerHandle(1, at.page, near, -1, 1)
        ladder = Ladder(lambda handle: None)
        at.begin()
        seq = at.page.words[Word.SEQ]
        assert not ladder.condemn(handle, seq - 1, KillReason.TIMED_OUT)
        assert (at.page.words[Word.CONDEMNED], handle.ordered) == (0, KillReason.NONE)
        assert ladder.condemn(handle, seq, KillReason.TIMED_OUT)
        assert (at.page.words[Word.CONDEMNED], handle.ordered) == (seq, KillReason.TIMED_OUT)


def test_activity_that_has_ended_is_not_condemned(at: Setting) -> None:
    near, far = pair()
    with near, far:
        handle = WorkerHandle(1, at.page, near, -1, 1)
        at.begin()
        at.record.end()
        assert not Ladder(lambda handle: None).condemn(handle, at.page.words[Word.SEQ], KillReason.TIMED_OUT)
        assert at.page.words[Word.CONDEMNED] == 0


def test_soft_limit_stands_on_the_board_only_where_it_comes_before_the_deadline(at: Setting) -> None:
    at.board.head[Head.NEXT_WAKE] = 2**62
    began = at.record.begin(ID, b"type", 1, SECOND, 0, more=False, soft_ns=SECOND // 4)
    assert at.page.words[Word.SOFT] == began + SECOND // 4
    assert at.poked()
    at.record.end_uncharged()
    assert at.page.words[Word.SOFT] == 0
    at.record.begin(ID, b"type", 1, SECOND, 0, more=False, soft_ns=SECOND)
    assert at.page.words[Word.SOFT] == 0


def test_soft_limit_before_the_next_look_wakes_the_supervisor(at: Setting) -> None:
    at.board.head[Head.NEXT_WAKE] = time.monotonic_ns() + SECOND
    at.begin(10 * SECOND)
    assert not at.poked()
    at.record.end()
    at.record.begin(ID, b"type", 1, 10 * SECOND, 0, more=False, soft_ns=SECOND // 100)
    assert at.poked()


def test_progress_belongs_to_the_activity_that_spoke_and_is_never_read_half(at: Setting) -> None:
    at.begin()
    assert at.page.read_progress() is None
    at.page.write_progress(250_000, b"a quarter")
    assert at.page.read_progress() == (250_000, b"a quarter")
    at.page.words[Word.PROGRESS_COUNT] += 1
    assert at.page.read_progress() is None
    at.page.write_progress(PROGRESS_NONE, b"x" * 1000)
    assert at.page.read_progress() == (PROGRESS_NONE, b"x" * MESSAGE_BYTES_MOST)
    at.record.end()
    assert at.page.read_progress() is None
    at.begin()
    assert at.page.read_progress() is None
