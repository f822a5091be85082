"""What code under test submits has run by the time that the call returns, in the test's own process."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from rrqmp import ActivityCancelled, ActivityFailed, ActivityStatus, ConfigurationError, aio
from rrqmp.testing import EagerError, EagerQueue, context


def test_activity_has_run_when_the_call_returns(rrqmp_eager: EagerQueue, shop: Any) -> None:
    future = shop.executor.execute(shop.charge, shop.Order(3, 10.0))
    assert future.status() is ActivityStatus.COMPLETED
    assert future.get_result(timeout=5) == 12.0


def test_child_runs_inside_its_parent(rrqmp_eager: EagerQueue, shop: Any) -> None:
    assert shop.executor.execute(shop.ship, shop.Order(6, 1.0)).get_result(timeout=5) == 1.2
    assert shop.told == ["ship 6"]
    assert [one.activity_type for one in rrqmp_eager.submitted] == ["ship", "charge"]


def test_delays_and_retries_do_not_wait(rrqmp_eager: EagerQueue, shop: Any) -> None:
    shop.sign_up("ada")
    greeted = rrqmp_eager.executor.future(rrqmp_eager.one("greet").activity_id)
    assert greeted.get_result(timeout=5) == "hello ada"
    record = shop.executor.execute(shop.charge, shop.Order(2, 1.0)).record()
    assert [attempt.kind for attempt in record.attempts] == ["failed", "failed", "completed"]


def test_failure_is_the_one_that_workers_would_record(rrqmp_eager: EagerQueue, shop: Any) -> None:
    future = shop.executor.execute(shop.charge, shop.Order(3, -1.0))
    with pytest.raises(ActivityFailed, match="an amount of -1.0"):
        future.get_result(timeout=5)
    assert future.status() is ActivityStatus.DEAD_LETTER
    assert rrqmp_eager.queue.get_stats().dead_letter_count == 1


def test_bulk_runs_whole(rrqmp_eager: EagerQueue, shop: Any) -> None:
    batch = shop.executor.execute_many("greet", ["a", "b", "c"])
    assert batch.results(timeout=5) == ["hello a", "hello b", "hello c"]


def test_handler_can_be_called_by_hand(shop: Any) -> None:
    by_hand = context("charge", attempt=3, metadata={"a": "b"}, timeout=9, cancelled=True)
    assert shop.charge(shop.Order(2, 10.0), by_hand) == 12.0
    assert by_hand.retry_count == 2
    assert by_hand.cancel_token.is_cancelled()
    assert 8 < by_hand.time_remaining() <= 9


def test_context_made_by_hand_submits_with_the_executor_it_is_given(rrqmp_eager: EagerQueue, shop: Any) -> None:
    by_hand = context("ship", executor=shop.executor)
    assert shop.ship(shop.Order(3, 10.0), by_hand) == 12.0
    assert rrqmp_eager.one("charge").options.parent == by_hand.activity_id


def test_asyncio_client_is_led_there_too(rrqmp_eager: EagerQueue, shop: Any) -> None:
    async def submit() -> list[str]:
        async with aio.ActivityExecutor.connect("redis://production.invalid:6379", "shop") as executor:
            futures = await asyncio.gather(*(executor.execute("greet", name) for name in "abc"))
            return [await future for future in futures]

    assert asyncio.run(submit()) == ["hello a", "hello b", "hello c"]


def test_handler_may_submit_on_its_own_loop(rrqmp_eager: EagerQueue, shop: Any) -> None:
    async def submit() -> Any:
        async with aio.ActivityExecutor.connect("redis://production.invalid:6379", "shop") as executor:
            return await (await executor.execute("greet_all", ["ada", "bob"]))

    assert asyncio.run(submit()) == ["hello ada", "hello bob"]


def test_checkpoints_and_progress_are_kept(rrqmp_eager: EagerQueue, shop: Any) -> None:
    future = shop.executor.execute("resume")
    assert future.get_result(timeout=5) == [1]
    assert (future.progress().fraction, future.progress().message) == (0.5, "half")


def test_cancel_reaches_the_handler_that_runs(rrqmp_eager: EagerQueue, shop: Any) -> None:
    assert shop.executor.execute("give_up").get_result(timeout=5) == [False, True]


def test_async_handler_runs_below_a_blocking_call_on_a_loop(rrqmp_eager: EagerQueue, shop: Any) -> None:
    async def submit() -> Any:
        return shop.executor.execute("greet", "ada").get_result(timeout=5)

    assert asyncio.run(submit()) == "hello ada"


def test_retries_without_end_are_told_and_do_not_hang(rrqmp_eager: EagerQueue, shop: Any) -> None:
    with pytest.raises(EagerError, match="never_done .* has run 1000 times"):
        shop.executor.execute("never_done")


def test_activities_that_start_each_other_without_end_are_told(rrqmp_eager: EagerQueue, shop: Any) -> None:
    # Each level would otherwise be tried four times, and so would all below it.
    with pytest.raises(EagerError, match="activities start each other, 50 deep"):
        shop.executor.execute("dig", 0)
    assert len(rrqmp_eager) == 51


def test_interrupt_ends_the_test_and_not_the_attempt(rrqmp_eager: EagerQueue, shop: Any) -> None:
    with pytest.raises(KeyboardInterrupt):
        shop.executor.execute("interrupted")
    assert len(rrqmp_eager) == 1


def test_wait_for_what_the_engine_never_runs_is_refused(rrqmp_eager: EagerQueue, shop: Any) -> None:
    stranger, elsewhere = shop.executor.execute("unheard_of"), shop.executor.for_queue("other").execute("greet", "ada")
    with pytest.raises(AssertionError, match="'unheard_of' is no handler of .*: this wait would never end"):
        stranger.get_result()
    with pytest.raises(AssertionError, match="queue 'other' is none of those"):
        elsewhere.get_result()
    stranger.cancel()
    with pytest.raises(ActivityCancelled):
        stranger.get_result(timeout=5)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"attempt": 0}, "attempt is 0: give 1 or more"),
        ({"executor": 5}, "executor is 5: give an ActivityExecutor"),
        ({"metadata": 5}, "metadata is 5: give a mapping"),
    ],
)
def test_wrong_context_by_hand_names_value_and_remedy(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        context("charge", **wrong)
