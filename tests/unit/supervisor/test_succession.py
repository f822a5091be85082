"""What a dead worker leaves to its successor, and the pages of the board."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass

import msgspec
import pytest

from rrqmp.model.attempt import AttemptKind
from rrqmp.shared_state.board import REPORT_BYTES, STRIDE, Board, Word
from rrqmp.shared_state.exit_report import BrokenAttempt, ExitReport, decode_report
from rrqmp.supervisor.succession import Succession
from rrqmp.supervisor.worker_handle import Slot

BROKEN = BrokenAttempt(
    queue="q", activity_id="i", activity_type="t", token="k", kind=AttemptKind.CRASHED, attempt=1, run_seconds=0.0,
    cpu_seconds=0.0,
)  # fmt: skip
REPORT = ExitReport(
    summary="crashed", node="n@b", pid=1, slot=0, inc=1, ended_at=1.0, life_seconds=1.0, cpu_seconds=1.0, broken=BROKEN
)


@dataclass
class Fixture:
    """A board of three pages."""

    succession: Succession
    slot: Slot


@pytest.fixture
def at() -> Iterator[Fixture]:
    descriptor = os.memfd_create("board")
    os.ftruncate(descriptor, 4 * STRIDE)
    board = Board(descriptor, 4, writable=True)
    yield Fixture(Succession(board.pages), Slot(0))
    board.close()


def test_pages_run_out_and_come_back(at: Fixture) -> None:
    pages = [at.succession.take_page() for _ in range(3)]
    assert not at.succession.has_page
    at.succession.give_back(pages[0])
    assert at.succession.take_page() is pages[0]


def test_page_is_blank_for_its_next_process(at: Fixture) -> None:
    page = at.succession.take_page()
    page.words[Word.SEQ] = 9
    at.succession.give_back(page)
    assert at.succession.take_page().words[Word.SEQ] == 0


def test_report_keeps_its_page_until_it_is_settled(at: Fixture) -> None:
    page = at.succession.take_page()
    at.succession.hand_down(at.slot, REPORT, page)
    assert at.slot.pending is not None
    assert decode_report(page.read_report()) == REPORT
    others = [at.succession.take_page() for _ in range(2)]
    assert page not in others
    assert not at.succession.has_page
    at.succession.settled(at.slot)
    assert at.slot.pending is None
    assert page.read_report() == b""
    assert at.succession.take_page() is page


def test_death_over_a_report_hands_the_same_one_on_with_one_more_death(at: Fixture) -> None:
    first, second = at.succession.take_page(), at.succession.take_page()
    at.succession.hand_down(at.slot, REPORT, first)
    at.succession.hand_down(at.slot, msgspec.structs.replace(REPORT, broken=None), second)
    assert at.slot.pending is not None
    assert at.slot.pending.report == msgspec.structs.replace(REPORT, deaths=1)
    assert decode_report(first.read_report()).deaths == 1, "the board tells the next supervisor the same"
    assert at.succession.take_page() is second


def test_death_that_broke_nothing_leaves_nothing(at: Fixture) -> None:
    page = at.succession.take_page()
    at.succession.hand_down(at.slot, msgspec.structs.replace(REPORT, broken=None), page)
    assert at.slot.pending is None
    assert at.succession.take_page() is page


def test_report_too_long_for_the_board_is_kept_in_memory(at: Fixture) -> None:
    page = at.succession.take_page()
    long = msgspec.structs.replace(REPORT, stack="x" * REPORT_BYTES)
    at.succession.hand_down(at.slot, long, page)
    assert at.slot.pending is not None
    assert (at.slot.pending.report, at.slot.pending.page) == (long, None)
    assert at.succession.take_page() is page
