"""The board's pages: words stored singly, bytes published by a word."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from rrqmp.shared_state.board import (
    BATCH_MOST,
    ID_BYTES,
    PAGE_BYTES,
    REPORT_BYTES,
    STRIDE,
    Board,
    Head,
    KillReason,
    Word,
    WorkerState,
    map_head,
    map_page,
)


@pytest.fixture
def board() -> Iterator[Board]:
    descriptor = os.memfd_create("board")
    os.ftruncate(descriptor, 3 * STRIDE)
    made = Board(descriptor, 3, writable=True)
    yield made
    made.close()


def test_workers_words_and_the_supervisors_lie_on_different_cache_lines() -> None:
    words = sorted(word.value for word in Word)
    assert not [word for word in words if 24 <= word < 64]
    assert len(set(words)) == len(words)


def test_worker_and_supervisor_see_the_same_page(board: Board) -> None:
    mine = map_page(board.descriptor, 2)
    mine.words[Word.SEQ] = 5
    mine.write_activity(b"i" * ID_BYTES, "тип".encode())
    page = board.pages[1]
    assert page.words[Word.SEQ] == 5
    assert (page.activity_id(), page.activity_type()) == ("i" * ID_BYTES, "тип")
    assert board.pages[0].words[Word.SEQ] == 0


def test_page_that_a_wild_write_has_spoilt_can_still_be_read(board: Board) -> None:
    page = board.pages[0]
    for word in Word:
        page.words[word] = 2**64 - 1
    assert (page.state, page.reason) == (WorkerState.UNUSED, KillReason.NONE)
    assert page.unstarted() == []


def test_head_is_read_only_for_a_worker(board: Board) -> None:
    board.head[Head.NEXT_WAKE] = 9
    head = map_head(board.descriptor)
    assert head[Head.NEXT_WAKE] == 9
    with pytest.raises(TypeError):
        head[Head.NEXT_WAKE] = 1


def test_unstarted_are_those_behind_the_one_that_runs(board: Board) -> None:
    page = board.pages[0]
    ids = [f"{number:036}" for number in range(BATCH_MOST)]
    page.write_batch("".join(ids).encode(), len(ids))
    assert page.unstarted() == ids[1:]
    page.words[Word.BATCH_POSITION] = 48
    assert page.unstarted() == ids[49:]


def test_full_batch_stays_inside_the_page(board: Board) -> None:
    page = board.pages[0]
    page.write_report(b"report")
    page.write_batch(b"z" * ID_BYTES * BATCH_MOST, BATCH_MOST)
    assert page.read_report() == b"report"
    assert 2048 + ID_BYTES * BATCH_MOST <= PAGE_BYTES


def test_report_that_is_too_long_is_refused(board: Board) -> None:
    page = board.pages[0]
    assert not page.write_report(b"x" * (REPORT_BYTES + 1))
    assert page.read_report() == b""
    assert page.write_report(b"x" * REPORT_BYTES)
    assert len(page.read_report()) == REPORT_BYTES
    assert board.pages[1].words[Word.STATE] == 0


def test_cleared_page_has_no_report(board: Board) -> None:
    page = board.pages[0]
    page.write_report(b"report")
    page.clear()
    assert page.read_report() == b""


def test_identity_is_read_back(board: Board) -> None:
    board.write_identity("наме", "0" * 16, "f" * 16)
    assert (board.name, board.boot, board.mark) == ("наме", "0" * 16, "f" * 16)


def test_closing_twice_does_no_harm() -> None:
    descriptor = os.memfd_create("board")
    os.ftruncate(descriptor, STRIDE)
    made = Board(descriptor, 1, writable=True)
    made.close()
    made.close()
