"""Where the attempt that a cancel names stands, at every step that its worker takes on the board."""

from __future__ import annotations

import os
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any, cast

import pytest

from rrqmp.model.attempt import AttemptKind
from rrqmp.shared_state import messages
from rrqmp.shared_state.board import STRIDE, Board, Word, WorkerState
from rrqmp.shared_state.exit_report import BrokenAttempt, ExitReport
from rrqmp.supervisor.cancels import Standing, find
from rrqmp.supervisor.crew import Crew
from rrqmp.supervisor.worker_handle import PendingReport, Slot, WorkerHandle
from rrqmp.worker.record import Record

NODE = "host@boot"
FIRST, SECOND = "a" * 36, "b" * 36
TIMEOUT = 10**9


class Scene:
    """One slot, one worker, and both sides' hands on its page."""

    def __init__(self, board: Board) -> None:
        page = board.pages[0]
        near, far = messages.pair()
        far.close()
        self.slot = Slot(0, inc=2)
        self.handle = WorkerHandle(1, page, near, os.dup(near.fileno()), 1, slot=self.slot, inc=2)
        self.slot.worker = self.handle
        self.crew = cast(Crew, SimpleNamespace(node=NODE, slots=[self.slot]))
        self.record = Record(page, board.head, os.eventfd(0))

    def claim(self, seq: int) -> None:
        self.record.become(WorkerState.CLAIMING)
        self.record.hold((FIRST + SECOND).encode(), 2, seq, 0)

    def begin(self, place: int) -> None:
        one = (FIRST, SECOND)[place]
        self.record.begin(one.encode(), b"t", 1, TIMEOUT, place, more=place == 0)

    def find(self, activity_id: str, token: str = f"{NODE}/0.2.5") -> Standing:
        return find(self.crew, activity_id, token)[0]


@pytest.fixture
def scene() -> Iterator[Scene]:
    descriptor = os.memfd_create("board")
    os.ftruncate(descriptor, 2 * STRIDE)
    board = Board(descriptor, 2, writable=True)
    made = Scene(board)
    yield made
    made.handle.close()
    made.record.words.release()
    board.close()


def test_an_attempt_is_coming_then_running_then_over(scene: Scene) -> None:
    seen: list[tuple[Standing, Standing]] = []

    def look() -> None:
        seen.append((scene.find(FIRST), scene.find(SECOND)))

    scene.claim(4)
    # The claim that the order names has been made, and its answer is on its way.
    look()
    scene.claim(5)
    look()
    scene.begin(0)
    look()
    scene.record.end()
    look()
    scene.begin(1)
    look()
    scene.record.end()
    look()
    scene.claim(6)
    look()
    coming, running, over = Standing.COMING, Standing.RUNNING, Standing.OVER
    assert seen == [
        (coming, coming),
        (coming, coming),
        (running, coming),
        (over, coming),
        (over, running),
        (over, over),
        (over, over),
    ]


def test_what_runs_is_named_by_process_and_number(scene: Scene) -> None:
    scene.claim(5)
    scene.begin(0)
    assert find(scene.crew, FIRST, f"{NODE}/0.2.5") == (
        Standing.RUNNING,
        scene.handle,
        scene.handle.page.words[Word.SEQ],
    )


@pytest.mark.parametrize(
    "token",
    ["", "x", f"{NODE}/0.2", f"{NODE}/1.2.5", f"{NODE}/0.1.5", f"{NODE}/0.3.5", f"{NODE}/0.2.4", "host@old/0.2.5",
     f"{NODE}/-1.2.5", f"{NODE}/0.2.5 ", f"{NODE}/{'9' * 30}.2.5"],
)  # fmt: skip
def test_order_for_any_other_attempt_is_over(scene: Scene, token: str) -> None:
    scene.claim(5)
    scene.begin(0)
    assert scene.find(FIRST, token) is Standing.OVER


def test_callback_after_the_end_is_not_the_activity(scene: Scene) -> None:
    scene.claim(5)
    scene.begin(0)
    scene.record.end()
    scene.record.begin_uncharged(WorkerState.RECOVERING, TIMEOUT)
    assert scene.find(FIRST) is Standing.OVER


def test_setup_before_the_start_is_not_the_activity_either(scene: Scene) -> None:
    scene.claim(5)
    scene.record.page.write_activity(FIRST.encode(), b"t")
    scene.record.begin_uncharged(WorkerState.SETTING_UP, TIMEOUT)
    assert scene.find(FIRST) is Standing.COMING
    scene.record.end_uncharged()
    assert scene.find(FIRST) is Standing.COMING
    scene.begin(0)
    assert scene.find(FIRST) is Standing.RUNNING


def test_attempt_of_a_dead_process_is_left_to_its_successor(scene: Scene) -> None:
    broken = BrokenAttempt(
        queue="q", activity_id=FIRST, activity_type="t", token="k", kind=AttemptKind.CRASHED, attempt=1,
        run_seconds=0.0, cpu_seconds=0.0,
    )  # fmt: skip
    report: Any = ExitReport(
        summary="crashed", node=NODE, pid=1, slot=0, inc=2, ended_at=1.0, life_seconds=1.0, cpu_seconds=1.0,
        broken=broken,
    )  # fmt: skip
    scene.slot.worker = None
    assert scene.find(SECOND) is Standing.BROKEN
    scene.slot.pending = PendingReport(report, None, 0.0)
    scene.slot.inc = 3
    assert (scene.find(FIRST), scene.find(SECOND)) == (Standing.BROKEN, Standing.OVER)
