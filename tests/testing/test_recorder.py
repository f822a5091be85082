"""What code under test submits is kept, and nothing of it runs."""

from __future__ import annotations

from typing import Any

import pytest

from rrqmp import ActivityPriority, ActivityStatus
from rrqmp.testing import Recorder


def test_submission_is_kept_as_the_workers_would_get_it(rrqmp_recorder: Recorder, shop: Any) -> None:
    shop.sign_up("ada")
    one = rrqmp_recorder.one("greet")
    assert (one.payload, one.queue_name, one.delay, one.priority) == ("ada", "shop", 3600, ActivityPriority.NORMAL)
    assert one.metadata == {"from": "sign_up"}
    assert one.options.key == "ada"


def test_taken_key_makes_no_second_one(rrqmp_recorder: Recorder, shop: Any) -> None:
    shop.sign_up("ada")
    shop.sign_up("ada")
    shop.sign_up("bob")
    assert rrqmp_recorder.payloads(shop.greet) == ["ada", "bob"]


def test_bulk_is_kept_in_order(rrqmp_recorder: Recorder, shop: Any) -> None:
    futures = shop.engine.get_activity_executor().execute_many("greet", map(str, range(450)))
    assert rrqmp_recorder.payloads("greet") == [str(n) for n in range(450)]
    assert [one.activity_id for one in rrqmp_recorder.submitted] == [future.activity_id for future in futures]


def test_nothing_runs_and_a_wait_is_the_tests_mistake(rrqmp_recorder: Recorder, shop: Any) -> None:
    future = shop.executor.execute(shop.charge, shop.Order(1, 2.0))
    assert future.status() is ActivityStatus.PENDING
    with pytest.raises(AssertionError, match="rrqmp_eager"):
        future.get_result(timeout=1)


def test_wrong_number_shows_what_was_submitted(rrqmp_recorder: Recorder, shop: Any) -> None:
    shop.sign_up("ada")
    with pytest.raises(AssertionError, match=r"0 of 'charge' submitted, not one; in all: greet\('ada'\)"):
        rrqmp_recorder.one("charge")


def test_each_test_begins_empty(rrqmp_recorder: Recorder, shop: Any) -> None:
    assert len(rrqmp_recorder) == 0
    assert shop.engine.get_activity_queue().get_stats().pending_count == 0
