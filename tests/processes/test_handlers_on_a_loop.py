"""`async def` handlers with the asyncio executor, and declared types on the worker's side."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from rrqmp.model.attempt import AttemptKind
from rrqmp.model.status import ActivityStatus
from tests.processes.conftest import Supervise
from tests.processes.harness import Queue, kinds

APP = "on_a_loop:engine"


def test_a_parent_on_a_loop_awaits_its_children_activity_after_activity(queue: Queue, supervise: Supervise) -> None:
    supervised = supervise(app=APP)
    records = queue.all_ended([queue.submit("parent", 5) for _ in range(6)], patience=30)
    assert {record.status for record in records} == {ActivityStatus.COMPLETED}, supervised.log
    assert {record.result.rsplit(b",", 1)[0] for record in records} == {b"[0,2,4,6,8"}
    # Their connections outlive each activity, and so may what the next one awaits.
    assert "never retrieved" not in supervised.log
    assert "unclosed" not in supervised.log


def test_what_a_coroutine_leaves_behind_ends_and_the_executors_own_goes_on(queue: Queue, supervise: Supervise) -> None:
    supervised = supervise(app=APP)
    for _ in range(3):
        assert queue.ended(queue.submit("leaves_tasks", None)).result == b"1", supervised.log


def test_waits_on_loops_never_starve_two_workers(queue: Queue, supervise: Supervise) -> None:
    supervise(app=APP)
    record = queue.ended(queue.submit("nested", 10), patience=30)
    assert (record.status, record.result) == (ActivityStatus.COMPLETED, b"10")


@pytest.mark.parametrize("how", ["cancel", "stop"])
def test_a_loop_that_was_spoilt_serves_the_next_activity(queue: Queue, supervise: Supervise, how: str) -> None:
    supervised = supervise(app=APP, workers=1)
    queue.ended(queue.submit("spoils_the_loop", how, timeout=5, max_retries=0))
    records = queue.all_ended([queue.submit("parent", 2), *(queue.submit("leaves_tasks", None) for _ in range(2))])
    assert {record.status for record in records} == {ActivityStatus.COMPLETED}, supervised.log


def test_a_payload_that_does_not_fit_is_one_dead_letter_with_path_and_reason(
    queue: Queue, supervise: Supervise
) -> None:
    supervise(app=APP)
    handlers = ("plain", "row", "struct", "model")
    for handler in handlers:
        assert queue.ended(queue.submit(handler, {"size": 3})).result == b'{"size":3}', handler
    for handler, payload in itertools.product(handlers, ({"size": "large"}, {}, 7)):
        record = queue.ended(queue.submit(handler, payload))
        assert (record.status, kinds(record)) == (ActivityStatus.DEAD_LETTER, [AttemptKind.FAILED])
        assert record.attempts[0].error == "InvalidPayload"
        assert "size" in record.attempts[0].message or payload == 7


def test_a_result_that_is_not_what_was_declared_is_one_dead_letter(queue: Queue, supervise: Supervise) -> None:
    supervise(app=APP)
    for handler, reason in (("unfit_result", "$.size"), ("no_result", "null")):
        record: Any = queue.ended(queue.submit(handler, None))
        assert (record.status, len(record.attempts)) == (ActivityStatus.DEAD_LETTER, 1)
        assert record.attempts[0].error == "ResultNotStorable"
        assert reason in record.attempts[0].message
