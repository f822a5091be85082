"""Submissions on the real server: what arrives, what a key does, what is refused before anything is sent."""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from rrqmp.client.executor import ActivityExecutor
from rrqmp.errors import (
    BatchSubmissionError,
    ConfigurationError,
    DuplicateActivity,
    IdempotencyConflict,
    InvalidPayload,
    PayloadTooLarge,
    StoreUnavailable,
)
from rrqmp.handling.activity import Activity
from rrqmp.handling.context import ActivityContext
from rrqmp.handling.handler import ActivityHandler
from rrqmp.model.activity_type import ActivityType
from rrqmp.model.attempt import Attempt, AttemptKind, Ending
from rrqmp.model.ids import new_activity_id
from rrqmp.model.options import ActivityOption, OnDuplicate
from rrqmp.model.priority import ActivityPriority
from rrqmp.model.retry import RetryPolicy
from rrqmp.model.spec import split_spec
from rrqmp.model.status import ActivityStatus
from rrqmp.store.embedded import EmbeddedServer
from tests.client.conftest import FakeWorker


@dataclass
class Job:
    path: str


@dataclass
class Thumb:
    size: int


THUMBNAIL = ActivityType("thumbnail", Job, Thumb, priority=ActivityPriority.LOW)


class Thumbnail(ActivityHandler[Job, Thumb]):
    def handle(self, payload: Job, context: ActivityContext) -> Thumb:
        return Thumb(1)


def test_a_submission_waits_with_its_payload_and_nothing_else(executor: ActivityExecutor) -> None:
    record = executor.execute("render", {"a": 1}).record()
    assert record.status is ActivityStatus.PENDING
    assert record.payload == b'{"a":1}'
    assert msgspec.json.encode(record.spec) == b"{}"
    assert record.priority is ActivityPriority.NORMAL


def test_all_options_travel_with_the_activity(executor: ActivityExecutor) -> None:
    policy = RetryPolicy(4, base=2.0)
    future = executor.execute(
        "render", None, priority=ActivityPriority.HIGH, timeout=timedelta(minutes=1), retry=policy, max_retries=5,
        delay=60, metadata={"correlation_id": "x"}, key="k", key_ttl=120, result_ttl=3600,
    )  # fmt: skip
    record = future.record()
    assert (record.status, record.priority) == (ActivityStatus.SCHEDULED, ActivityPriority.HIGH)
    assert (record.spec.timeout, record.spec.max_retries, record.spec.retry) == (60.0, 5, policy)
    assert (record.spec.key, record.spec.key_ttl, record.spec.result_ttl) == ("k", 120.0, 3600.0)
    assert record.spec.metadata == {"correlation_id": "x"}


def test_an_absolute_time_is_kept(executor: ActivityExecutor) -> None:
    moment = datetime.now(UTC) + timedelta(hours=1)
    assert executor.execute("render", at=moment).record().due_at == pytest.approx(moment.timestamp(), abs=0.001)


def test_the_sentence_form_says_the_same_and_can_be_said_again(executor: ActivityExecutor) -> None:
    sentence = executor.activity("render").payload({"a": 1}).priority(ActivityPriority.CRITICAL).timeout(5)
    first, second = sentence.execute(), sentence.max_retries(0).execute()
    assert first.activity_id != second.activity_id
    assert first.record().spec.max_retries is None
    assert second.record().spec.max_retries == 0
    assert second.record().priority is ActivityPriority.CRITICAL


def test_every_step_of_the_sentence_arrives(executor: ActivityExecutor) -> None:
    sentence = (
        executor.activity("render")
        .payload(1)
        .retry(RetryPolicy(1))
        .timeout(9)
        .soft_timeout(8)
        .expires(timedelta(hours=2))
        .option(ActivityOption(priority=ActivityPriority.HIGH, max_retries=7))
        .at(datetime.now(UTC) + timedelta(hours=1))
        .metadata({"a": "b"})
        .idempotency_key("k", OnDuplicate.NO_REUSE, ttl=100)
        .result_ttl(100)
        .queue(f"{executor.queue_name}-other")
    )
    future = sentence.execute()
    assert future.keys.queue == f"{executor.queue_name}-other"
    record = future.record()
    assert (record.priority, record.spec.max_retries, record.spec.key) == (ActivityPriority.HIGH, 7, "k")
    assert (record.spec.timeout, record.spec.soft_timeout) == (9.0, 8.0)
    assert record.spec.expires
    with pytest.raises(DuplicateActivity):
        sentence.execute()


def test_a_prepared_submission_has_its_id_and_is_one_however_often_sent(executor: ActivityExecutor) -> None:
    prepared = executor.activity("render").payload(1).prepare()
    assert executor.activity_queue.get_stats().pending_count == 0
    assert [prepared.execute().activity_id for _ in range(2)] == [prepared.activity_id] * 2
    assert executor.activity_queue.get_stats().pending_count == 1


@pytest.mark.parametrize(
    "target", [THUMBNAIL, Thumbnail, Thumbnail(), Activity(lambda payload: None, THUMBNAIL), "thumbnail"]
)
def test_a_target_may_be_a_declaration_a_handler_or_a_name(executor: ActivityExecutor, target: Any) -> None:
    future = executor.execute(target, Job("a"))
    assert future.activity_type == "thumbnail"
    assert future.record().payload == b'{"path":"a"}'


def test_the_declarations_defaults_hold_unless_the_call_says_otherwise(executor: ActivityExecutor) -> None:
    assert executor.execute(THUMBNAIL, Job("a")).record().priority is ActivityPriority.LOW
    urgent = executor.execute(THUMBNAIL, Job("a"), priority=ActivityPriority.HIGH)
    assert urgent.record().priority is ActivityPriority.HIGH


def test_the_calls_own_moment_goes_before_the_declarations_delay(executor: ActivityExecutor) -> None:
    later = ActivityType("later", delay=60)
    moment = datetime.now(UTC) + timedelta(hours=1)
    assert executor.execute(later, None, at=moment).record().due_at == pytest.approx(moment.timestamp(), abs=0.001)


@pytest.mark.parametrize(
    ("target", "payload", "options", "error", "message"),
    [
        ("render", float("nan"), {}, InvalidPayload, "payload of 'render': nan"),
        ("render", {"a": {1}}, {}, InvalidPayload, r"payload of 'render'\['a'\]: a set"),
        ("render", b"x", {}, InvalidPayload, "bytes are not JSON"),
        ("render", "\ud800", {}, InvalidPayload, "lone surrogate"),
        ("render", "x" * (1 << 20), {}, PayloadTooLarge, "at most 1048576"),
        (THUMBNAIL, {"path": 3}, {}, InvalidPayload, r"Expected `str`, got `int` - at `\$.path`"),
        ("render", None, {"priority": 9}, ConfigurationError, "priority is 9"),
        ("render", None, {"delay": -1}, ConfigurationError, "delay is -1 s"),
        ("render", None, {"timeout": 0}, ConfigurationError, "timeout is 0 s"),
        ("render", None, {"timout": 3}, ConfigurationError, "did you mean 'timeout'"),
        ("", None, {}, ConfigurationError, "an empty string cannot be an activity type"),
        ("a{b}", None, {}, ConfigurationError, "braces"),
        ("x" * 65, None, {}, ConfigurationError, "at most 64"),
        (3, None, {}, ConfigurationError, "3 is no activity"),
        ([], None, {}, ConfigurationError, "is no activity"),
        (Job, None, {}, ConfigurationError, "is no activity"),
    ],
)
def test_nothing_wrong_is_sent(
    executor: ActivityExecutor, target: Any, payload: Any, options: Any, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        executor.execute(target, payload, **options)
    assert executor.activity_queue.get_stats().pending_count == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"queue": ""}, "cannot be a queue name"),
        ({"queue": "a{b}"}, "braces"),
        ({"queue": "a\n"}, "control characters"),
        ({"queue": "x" * 65}, "at most 64"),
        ({"prefix": "{"}, "prefix is"),
        ({"url": "http://localhost"}, "http"),
        ({"payload_limit": "1M"}, "1MiB"),
    ],
)
def test_a_wrong_connection_is_refused_before_it_is_made(arguments: Any, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        ActivityExecutor.connect(**arguments)


def test_connecting_does_no_io() -> None:
    ActivityExecutor.connect("redis://192.0.2.1:1").close()


def test_a_held_key_gives_back_its_owner(executor: ActivityExecutor) -> None:
    owner = executor.execute("render", 1, key="order-1")
    again = executor.execute("render", 2, key="order-1")
    assert (again.activity_id, again.is_new) == (owner.activity_id, False)


def test_the_other_rules_of_a_held_key(executor: ActivityExecutor, worker: FakeWorker) -> None:
    owner = executor.execute("render", 1, key="k")
    with pytest.raises(DuplicateActivity, match=owner.activity_id) as refused:
        executor.execute("render", 2, key="k", on_duplicate=OnDuplicate.NO_REUSE)
    assert refused.value.activity_id == owner.activity_id
    with pytest.raises(IdempotencyConflict, match="has not failed"):
        executor.execute("render", 2, key="k", on_duplicate=OnDuplicate.ALLOW_REUSE_ON_FAILURE)
    second = executor.execute("render", 2, key="k", on_duplicate=OnDuplicate.ALLOW_REUSE)
    assert second.activity_id != owner.activity_id


def test_a_key_may_be_used_again_after_a_failure(executor: ActivityExecutor, worker: FakeWorker) -> None:
    owner = executor.execute("render", 1, key="k")
    worker.end_next("render", Ending.DEAD, Attempt(kind=AttemptKind.FAILED))
    second = executor.execute("render", 2, key="k", on_duplicate=OnDuplicate.ALLOW_REUSE_ON_FAILURE)
    assert second.is_new
    assert second.activity_id != owner.activity_id


def test_a_child_names_its_parent_and_its_keys_count_inside_it(executor: ActivityExecutor) -> None:
    parents = [new_activity_id() for _ in range(2)]
    first, again, other = (
        executor.for_parent(parent, executor.queue_name).execute("tile", 1, key="k")
        for parent in (parents[0], parents[0], parents[1])
    )
    assert first.activity_id == again.activity_id != other.activity_id
    assert first.record().spec.parent == parents[0]


def test_a_batch_keeps_its_order(executor: ActivityExecutor, worker: FakeWorker) -> None:
    batch = executor.execute_many("render", range(450))
    assert [future.index for future in batch] == list(range(450))
    claimed = [claim for _ in range(9) for claim in worker.complete_many("render", 50)]
    assert [int(split_spec(claim.spec)[1]) for claim in claimed] == list(range(450))
    assert [claim.activity_id for claim in claimed] == [future.activity_id for future in batch]


def test_a_batch_with_one_wrong_payload_sends_nothing_and_names_its_place(executor: ActivityExecutor) -> None:
    with pytest.raises(InvalidPayload, match=r"number 3 of the batch: payload of 'render'\[0\]: a set"):
        executor.execute_many("render", [1, 2, 3, [{4}]])
    assert executor.activity_queue.get_stats().pending_count == 0


def test_a_batch_makes_keys_by_a_function(executor: ActivityExecutor) -> None:
    first = executor.execute_many(THUMBNAIL, [Job("a"), Job("b")], key=lambda job: job.path)
    again = executor.execute_many(THUMBNAIL, [Job("b"), Job("c")], key=lambda job: job.path)
    assert again[0].activity_id == first[1].activity_id
    assert executor.activity_queue.get_stats().pending_count == 3


def test_refused_items_of_a_batch_are_named_and_the_rest_goes(executor: ActivityExecutor) -> None:
    executor.execute("render", 0, key="1")
    with pytest.raises(
        BatchSubmissionError, match="1 of 3 activities were not accepted; the first, number 1: the key '1'"
    ) as told:
        executor.execute_many("render", range(3), key=str, on_duplicate=OnDuplicate.NO_REUSE)
    assert (len(told.value.submitted), len(told.value.failed)) == (2, 1)
    assert executor.activity_queue.get_stats().pending_count == 3


def test_large_items_of_a_batch_go_in_chunks(executor: ActivityExecutor) -> None:
    executor.execute_many("render", ["x" * 200_000] * 5 + ["y" * 500_000])
    assert executor.activity_queue.get_stats().pending_count == 6


def test_an_empty_batch_is_no_fault(executor: ActivityExecutor) -> None:
    assert len(executor.execute_many("render", [])) == 0


def test_a_key_function_that_gives_nothing_is_named(executor: ActivityExecutor) -> None:
    with pytest.raises(ConfigurationError, match="empty string"):
        executor.execute_many("render", [1], key=lambda payload: "")


def test_threads_share_an_executor(executor: ActivityExecutor) -> None:
    threads = [
        threading.Thread(target=lambda: [executor.execute("render", place) for place in range(50)]) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert executor.activity_queue.get_stats().pending_count == 400


def test_a_fork_uses_connections_of_its_own(executor: ActivityExecutor) -> None:
    executor.execute("render", 1)
    pid = os.fork()
    if pid == 0:
        try:
            executor.execute("render", 2)
            os._exit(0)
        finally:
            os._exit(1)
    for _ in range(20):
        executor.execute("render", 3)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert executor.activity_queue.get_stats().pending_count == 22


def test_a_dead_server_is_named_with_its_address() -> None:
    with (
        ActivityExecutor.connect("unix:///nowhere/redis.sock", resend_seconds=0.2) as lost,
        pytest.raises(StoreUnavailable, match=r"/nowhere/redis\.sock"),
    ):
        lost.execute("render", 1)


def test_a_batch_cut_short_by_a_dead_server_says_so(server: EmbeddedServer) -> None:
    with (
        ActivityExecutor.connect("unix:///nowhere/redis.sock", resend_seconds=0.2) as lost,
        pytest.raises(BatchSubmissionError, match="2 of 2") as told,
    ):
        lost.execute_many("render", [1, 2])
    assert isinstance(told.value.__cause__, StoreUnavailable)
