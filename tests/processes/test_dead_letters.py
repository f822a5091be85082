"""`on_dead_letter`: called in a worker, under a deadline of its own, and given up when it kills its process again."""

from __future__ import annotations

import signal

import pytest

from rrqmp.model.attempt import AttemptKind
from rrqmp.model.status import ActivityStatus
from tests.processes.conftest import Supervise
from tests.processes.harness import Queue, eventually, kinds

OPTIONS = {"app": "dead_letters:engine", "workers": 1, "max_crashes": 2, "dead_letter_timeout": "0.3s"}


@pytest.mark.parametrize(
    ("how", "error", "last"),
    [
        ("non_retry", "ActivityFailed", AttemptKind.FAILED),
        ("value", "ActivityFailed", AttemptKind.FAILED),
        ("crash", "ActivityCrashed", AttemptKind.CRASHED),
        ("spin", "ActivityTimedOut", AttemptKind.TIMED_OUT),
    ],
)
def test_handler_is_told_of_its_dead_letter_once(
    queue: Queue, supervise: Supervise, how: str, error: str, last: AttemptKind
) -> None:
    supervise(**OPTIONS)
    one = queue.submit("fails", {"how": how, "notes": str(queue.notes())}, timeout=0.2)
    record = queue.ended(one)
    assert record.status is ActivityStatus.DEAD_LETTER
    assert kinds(record)[-1] is last
    assert record.attempt == (1 if how == "non_retry" else 2)
    assert queue.noted(one).text.startswith(f"{error}: ")
    # What comes after it finds one line only.
    queue.ended(queue.submit("echo", 1))
    assert len(queue.lines()) == 1


@pytest.mark.parametrize("then", ["hang", "crash"])
@pytest.mark.parametrize("how", ["crash", "spin"])
def test_callback_that_kills_its_process_is_skipped_the_third_time(
    queue: Queue, supervise: Supervise, how: str, then: str
) -> None:
    supervise(**OPTIONS)
    one = queue.submit("fails", {"how": how, "then": then, "notes": str(queue.notes())}, timeout=0.2)
    record = queue.ended(one)
    echoed = queue.ended(queue.submit("echo", 1))
    assert (echoed.status, echoed.attempt, echoed.crashes) == (ActivityStatus.COMPLETED, 1, 0)
    assert len([line for line in queue.lines() if line.activity_id == one]) == 2
    after = queue.show(one)
    assert (after.attempt, after.crashes, after.attempts) == (record.attempt, record.crashes, record.attempts)


@pytest.mark.parametrize("then", ["hang", "crash"])
def test_callback_of_a_failure_that_kills_its_process_charges_nobody(
    queue: Queue, supervise: Supervise, then: str
) -> None:
    supervise(**OPTIONS)
    one = queue.submit("fails", {"how": "non_retry", "then": then, "notes": str(queue.notes())})
    record = queue.ended(one)
    echoed = queue.ended(queue.submit("echo", 1))
    assert (echoed.status, echoed.attempt, echoed.crashes) == (ActivityStatus.COMPLETED, 1, 0)
    assert queue.lines()
    after = queue.show(one)
    assert (after.status, after.attempt, after.crashes) == (ActivityStatus.DEAD_LETTER, 1, 0)
    assert after.attempts == record.attempts


@pytest.mark.parametrize("then", ["raise", "sleep"])
def test_callback_that_raises_or_sleeps_costs_no_process(queue: Queue, supervise: Supervise, then: str) -> None:
    node = supervise(**OPTIONS)
    [worker] = node.idle()
    one = queue.submit("fails", {"how": "non_retry", "then": then, "notes": str(queue.notes())})
    assert queue.ended(one).status is ActivityStatus.DEAD_LETTER
    assert queue.noted(one).pid == worker
    queue.ended(queue.submit("echo", 1))
    assert node.idle() == [worker]
    node.logged(f"on_dead_letter of fails failed for {one}")


@pytest.mark.parametrize("spec", [{"timeout": 0.1}, {}])
def test_handler_that_hangs_while_it_is_made_is_not_made_to_ask_for_its_callback(
    queue: Queue, supervise: Supervise, spec: dict[str, float]
) -> None:
    node = supervise(app="dead_letters:engine", workers=1)
    one = queue.submit("unmakeable", delay=0 if spec else 0.3, **spec)
    if not spec:
        queue.store.command("HSET", queue.keys.activity(one), "spec", "spoilt")
    assert queue.ended(one).status is ActivityStatus.DEAD_LETTER
    # Its only worker is there again at once.
    queue.ended(queue.submit("echo", 1), patience=5)
    assert "worker in slot" not in node.log


@pytest.mark.parametrize("busy", [False, True])
def test_handler_is_told_of_what_was_lost_with_its_node(queue: Queue, supervise: Supervise, busy: bool) -> None:
    """No process of it is left, and no successor: any worker of the node that takes it back calls."""
    options = {**OPTIONS, "max_losses": 1, "node": "again"}
    first = supervise(**options)
    one = queue.submit("fails", {"how": "spin", "notes": str(queue.notes())}, timeout=60)
    queue.await_(one, lambda record: record.status is ActivityStatus.RUNNING)
    first.send(signal.SIGKILL)
    first.exit_code()
    if busy:
        # Also where the queue is never empty.
        queue.submit_many("echo", [None] * 3000)
    supervise(**options)
    record = queue.ended(one)
    assert (record.status, record.reason, kinds(record)) == (ActivityStatus.DEAD_LETTER, "lost", [AttemptKind.LOST])
    assert queue.noted(one).text.startswith("ActivityCrashed: ")
    queue.ended(queue.submit("echo", 1))
    assert len([line for line in queue.lines() if line.activity_id == one]) == 1


@pytest.mark.once
def test_callback_of_a_loss_that_kills_its_process_is_not_tried_for_ever(queue: Queue, supervise: Supervise) -> None:
    options = {**OPTIONS, "max_losses": 1, "node": "again"}
    first = supervise(**options)
    one = queue.submit("fails", {"how": "spin", "then": "crash", "notes": str(queue.notes())}, timeout=60)
    queue.await_(one, lambda record: record.status is ActivityStatus.RUNNING)
    first.send(signal.SIGKILL)
    first.exit_code()
    second = supervise(**options)
    eventually(lambda: len(queue.lines()) == 2, seen=lambda: (queue.lines(), second.log))
    queue.ended(queue.submit("echo", 1))
    second.idle()
    assert len(queue.lines()) == 2
