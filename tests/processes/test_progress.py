"""What a handler leaves for others while it runs: checkpoints for its successors, progress for whoever looks."""

from __future__ import annotations

from itertools import pairwise

import pytest

from rrqmp.model.attempt import AttemptKind
from rrqmp.model.codec import decode
from rrqmp.model.progress import decode_progress
from rrqmp.model.status import ActivityStatus
from rrqmp.shared_state.board import Word, WorkerState
from rrqmp.store.calls.ends import release
from tests.processes.conftest import Supervise
from tests.processes.harness import RULES, Queue, eventually, kinds

LIVES = {"app": "lives:engine", "workers": 1}


def test_checkpoint_outlives_crashes_failures_and_releases(queue: Queue, supervise: Supervise) -> None:
    supervise(**LIVES)
    crash, fail, give_back = queue.all_ended([queue.submit("resumes", how) for how in ("crash", "fail", "release")])
    # Three steps each in the first and the second attempt, and never one of them twice.
    assert decode(crash.result) == decode(fail.result) == [1, 1, 1, 2, 2, 2, 3, 3, 3, 3]
    assert kinds(crash) == [AttemptKind.CRASHED] * 2 + [AttemptKind.COMPLETED]
    assert kinds(fail) == [AttemptKind.FAILED] * 2 + [AttemptKind.COMPLETED]
    # A release is no attempt: it is the first one that goes on.
    assert decode(give_back.result)[:3] == [1, 1, 1]
    assert (give_back.attempt, kinds(give_back)) == (1, [AttemptKind.COMPLETED])
    assert {crash.checkpoint_bytes, fail.checkpoint_bytes, give_back.checkpoint_bytes} == {0}


@pytest.mark.parametrize("delay", [None, 0.05])
def test_release_costs_no_attempt_and_keeps_its_state(queue: Queue, supervise: Supervise, delay: float | None) -> None:
    supervise(**LIVES)
    one = queue.submit("releases", {"times": 5, "delay": delay, "notes": str(queue.notes())}, max_retries=0)
    record = queue.ended(one)
    assert decode(record.result) == [5, 1]
    lines = [line for line in queue.lines() if line.activity_id == one]
    assert [line.text for line in lines] == [str(number) for number in range(6)]
    pauses = [after.at_ns - before.at_ns for before, after in pairwise(lines)]
    assert min(pauses) >= (delay or 0) * 1e9


def test_release_with_a_state_that_cannot_be_kept_is_a_failure_that_says_why(
    queue: Queue, supervise: Supervise
) -> None:
    supervise(**LIVES)
    kind, size = queue.all_ended([queue.submit("releases_wrongly", how) for how in ("kind", "size")])
    assert "Release: checkpoint['a']: " in kind.attempts[0].message
    assert "at most 65536 (64 KiB)" in size.attempts[0].message


def test_handler_that_heeds_a_stop_goes_on_elsewhere_where_it_was(queue: Queue, supervise: Supervise) -> None:
    first = supervise(**LIVES)
    one = queue.submit("releases_when_stopping", {"notes": str(queue.notes())}, max_retries=0)
    queue.noted(one)
    first.send(15)
    assert first.exit_code(patience=5) == 0
    waiting = queue.show(one)
    assert (waiting.status, waiting.attempt) == (ActivityStatus.PENDING, 0)
    supervise(**LIVES)
    record = queue.ended(one)
    assert (decode(record.result), record.attempt) == ({"far": 1}, 1)


def test_stale_attempt_cannot_save(queue: Queue, supervise: Supervise) -> None:
    node = supervise(**LIVES)
    one = queue.submit("too_late", {"notes": str(queue.notes()), "gate": str(queue.gate())}, delay=0)
    queue.noted(one)
    token = queue.show(one).owner
    # As a node that takes over would: the claim is no longer this worker's.
    assert token
    queue.store.run(release(queue.keys, RULES, token.rpartition("/")[0], 0, [(one, token)]))
    queue.gate().touch()
    stale = eventually(lambda: [line for line in queue.lines() if line.text.startswith("stale: ")])
    assert "is not its current one any more" in stale[0].text
    assert node.workers(WorkerState.RUNNING, WorkerState.IDLE, WorkerState.CLAIMING, WorkerState.SETTLING)


def test_thread_that_saves_past_its_activity_spoils_no_call_of_its_worker(queue: Queue, supervise: Supervise) -> None:
    node = supervise(**LIVES)
    first = queue.ended(queue.submit("leaves_a_saver", {"notes": str(queue.notes())}))
    [worker] = node.idle()
    assert decode(first.result) == worker
    # One call each, between which the worker waits for the next.
    assert [decode(queue.ended(queue.submit("echo", number)).result) for number in range(50)] == list(range(50))
    assert node.idle() == [worker]
    assert {line.text for line in queue.lines()} == {"stale"}


def test_process_that_a_handler_forks_may_save_in_its_place(queue: Queue, supervise: Supervise) -> None:
    node = supervise(**LIVES)
    [worker] = node.idle()
    forking, after = queue.all_ended([queue.submit("forks_a_saver"), queue.submit("echo", 1)])
    assert (decode(forking.result), decode(after.result)) == ("the child's", 1)
    assert node.idle() == [worker]


def test_progress_is_published_a_few_times_a_second_and_the_last_word_stays(queue: Queue, supervise: Supervise) -> None:
    node = supervise(**LIVES)
    one = queue.submit("reports", {"say": "é" * 300, "gate": str(queue.gate())})
    record = queue.await_(one, lambda record: record.progress and decode_progress(record.progress).fraction == 0.5)
    progress = decode_progress(record.progress)
    assert progress.message == "é" * 128
    assert progress.at > 1e9
    [page] = node.read_board(lambda board: [page.words[Word.PROGRESS_COUNT] for page in board.pages if page.busy])
    assert page == 2 * 20_001
    queue.gate().touch()
    assert queue.ended(one).progress == record.progress
