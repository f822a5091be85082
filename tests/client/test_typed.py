"""Declared payloads and results, of each kind that may be declared: checked here, and whole on the other side."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, TypedDict

import msgspec
import pydantic
import pytest

from rrqmp.client.batch import wait
from rrqmp.client.executor import ActivityExecutor
from rrqmp.errors import ActivityNotFound, BatchSubmissionError, ConfigurationError, InvalidPayload, ResultError
from rrqmp.model.activity_type import ActivityType
from rrqmp.model.attempt import Attempt, AttemptKind
from rrqmp.model.ids import new_activity_id
from rrqmp.model.options import OnDuplicate
from rrqmp.model.progress import Progress, encode_progress
from rrqmp.store.calls.attempt_notes import publish_progress
from rrqmp.store.connection import BlockingConnection
from rrqmp.store.keys import QueueKeys
from tests.client.conftest import FakeWorker

PATIENCE = 10


@dataclass
class Plain:
    size: int
    tags: list[str] = field(default_factory=list)


class Row(TypedDict):
    size: int
    tags: list[str]


class Struct(msgspec.Struct):
    size: int
    tags: list[str] = []


class Model(pydantic.BaseModel):
    size: int
    tags: list[str] = []


VALUES: dict[Any, Any] = {
    Plain: Plain(3, ["a"]),
    Row: Row(size=3, tags=["a"]),
    Struct: Struct(3, ["a"]),
    Model: Model(size=3, tags=["a"]),
}
KINDS = pytest.mark.parametrize("kind", VALUES, ids=lambda kind: kind.__name__)


@KINDS
def test_it_goes_as_json_and_comes_back_as_what_was_declared(
    executor: ActivityExecutor, worker: FakeWorker, kind: Any
) -> None:
    future = executor.execute(ActivityType("typed", kind, kind), VALUES[kind])
    assert msgspec.json.decode(future.record().payload) == {"size": 3, "tags": ["a"]}
    worker.complete_next("typed", {"size": 3, "tags": ["a"]})
    result = future.get_result(PATIENCE)
    assert (type(result), result) == (type(VALUES[kind]), VALUES[kind])


@KINDS
@pytest.mark.parametrize("wrong", [{"size": "large", "tags": []}, {"tags": []}, {"size": 1, "tags": [2]}, 7, None])
def test_a_payload_that_does_not_fit_is_refused_at_the_call_with_path_and_reason(
    executor: ActivityExecutor, kind: Any, wrong: Any
) -> None:
    with pytest.raises(InvalidPayload, match="payload of 'typed': .*"):
        executor.execute(ActivityType("typed", kind), wrong)
    with pytest.raises(InvalidPayload, match="number 1 of the batch: payload of 'typed'"):
        executor.execute_many(ActivityType("typed", kind), [VALUES[kind], wrong])
    assert executor.activity_queue.get_stats().pending_count == 0


@KINDS
def test_a_result_that_does_not_fit_is_told_with_its_path(
    executor: ActivityExecutor, worker: FakeWorker, kind: Any
) -> None:
    future = executor.execute(ActivityType("typed", Any, kind), None)
    worker.complete_next("typed", {"size": "large", "tags": []})
    with pytest.raises(ResultError, match=r"(?s)result of .*size"):
        future.get_result(PATIENCE)


def test_a_field_of_an_object_that_was_filled_wrongly_is_found(executor: ActivityExecutor) -> None:
    wrong: Any = "large"
    with pytest.raises(InvalidPayload, match=r"Expected `int`, got `str` - at `\$.size`"):
        executor.execute(ActivityType("typed", Plain), Plain(wrong))
    with pytest.raises(InvalidPayload, match=r"payload of 'typed'\.size: nan"):
        executor.execute(ActivityType("typed", Plain), Plain(float("nan")))  # type: ignore[arg-type]  # what is tested


def test_progress_is_what_the_handler_published_last(
    executor: ActivityExecutor, worker: FakeWorker, store: BlockingConnection, keys: QueueKeys
) -> None:
    future = executor.execute("render", 1)
    assert future.progress() is None
    [(claim, token)] = worker.claim("render")
    told = Progress(0.5, "half way", at=1.0)
    assert store.run(publish_progress(keys, [(claim.activity_id, token, encode_progress(told))])) == 1
    assert future.progress() == told
    store.command("HSET", keys.activity(future.activity_id), "prog", b"\xff")
    with pytest.raises(ResultError, match="foreign bytes"):
        future.progress()
    with pytest.raises(ActivityNotFound):
        executor.future(new_activity_id()).progress()


PAST = datetime.now(UTC) - timedelta(seconds=5)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda e: e.execute("a", 1, key=3), ConfigurationError, "key is 3: give a string"),
        (lambda e: e.execute("a", 1, key="k" * 513), ConfigurationError, "513 bytes long, at most 512"),
        (lambda e: e.execute("a", 1, key="\ud800"), ConfigurationError, "key holds a lone surrogate"),
        (lambda e: e.execute("a", 1, metadata=["a"]), ConfigurationError, r"metadata is \['a'\]"),
        (lambda e: e.execute("a", 1, metadata={"a": None}), ConfigurationError, "names and values are strings"),
        (lambda e: e.execute("a", 1, metadata={"a": "x" * 9000}), ConfigurationError, "9001 bytes, at most 8192"),
        (lambda e: e.execute("a", 1, expires=PAST), ConfigurationError, "expires is .* s ago"),
        (lambda e: e.execute("a", 1, expires=-1), ConfigurationError, "expires is -1 s"),
        (lambda e: e.execute("a", 1, expires=0), ConfigurationError, "expires is 0 s"),
        (lambda e: e.execute("a", 1, on_duplicate="no_reuse"), ConfigurationError, "give key as well"),
        (lambda e: e.execute_many("a", 7), ConfigurationError, "payloads is 7: give a list or another iterable"),
        (lambda e: e.execute_many("a", [1], key="k"), ConfigurationError, "key is 'k': give a function"),
        (lambda e: e.execute_many("a", [1], key=lambda payload: payload), ConfigurationError, "key is 1"),
        (lambda e: e.activity("a").option({"priority": 1}), ConfigurationError, "is no ActivityOption"),
        (lambda e: e.activity("a").queue("{").execute(), ConfigurationError, "braces"),
        (lambda e: e.future("0198"), ConfigurationError, "'0198' is no activity id"),
        (lambda e: e.future(7), ConfigurationError, "7 is no activity id"),
        (lambda e: e.future(new_activity_id()).get_result(PATIENCE), ActivityNotFound, "has no activity"),
        (lambda e: e.future(new_activity_id()).cancel(), ActivityNotFound, "has no activity"),
        (lambda e: e.future(new_activity_id()).record(), ActivityNotFound, "has no activity"),
        (lambda e: wait(7), ConfigurationError, "7 is no collection of futures"),
        (lambda e: e.activity_queue.list_activities("pending", cursor=7), ConfigurationError, "cursor is 7: give that"),
        (lambda e: e.cancel(7), ConfigurationError, "7 is no activity id"),
        (lambda e: e.cancel("\ud800"), ConfigurationError, "is no activity id"),
        (lambda e: e.cancel(""), ConfigurationError, "'' is no activity id"),
        (lambda e: e.cancel_children(None), ConfigurationError, "None is no activity id"),
        (lambda e: e.activity_queue.get(None), ConfigurationError, "None is no activity id"),
        (lambda e: e.activity_queue.revive(b"x"), ConfigurationError, "b'x' is no activity id"),
        (lambda e: e.activity_queue.discard(3), ConfigurationError, "3 is no activity id"),
        (lambda e: e.activity_queue.children(3), ConfigurationError, "3 is no activity id"),
        (lambda e: e.execute("a", delay=10**400), ConfigurationError, "delay is inf s"),
        (lambda e: e.execute("a", max_retries=10**30), ConfigurationError, "max_retries is 1000000000000"),
        (lambda e: e.execute("a").get_result("soon"), ConfigurationError, "timeout is 'soon'"),
        (lambda e: type(e).connect(payload_limt=3), ConfigurationError, "did you mean 'payload_limit'"),
        (lambda e: type(e).connect(7).execute("a"), ConfigurationError, "Redis URL is 7"),
        (lambda e: type(e).connect(redis_config=3), ConfigurationError, "redis_config is 3: give a RedisConfig"),
    ],
)
def test_bad_input_is_a_named_error_at_the_call(
    executor: ActivityExecutor, call: Callable[[Any], Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        call(executor)


def test_a_batch_says_what_went_and_what_failed(executor: ActivityExecutor) -> None:
    executor.execute("render", 0, key="1")
    with pytest.raises(BatchSubmissionError, match="1 of 3") as told:
        executor.execute_many("render", range(3), key=str, on_duplicate=OnDuplicate.NO_REUSE)
    assert told.value.failed_places == (1,)
    assert [executor.future(one).record().payload for one in told.value.submitted] == [b"0", b"2"]


def test_attempts_of_an_error_are_records_like_any(executor: ActivityExecutor, worker: FakeWorker) -> None:
    future = executor.execute("render", 1)
    assert not future.record().attempts
    worker.complete_next("render", 1)
    assert future.record().attempts == (Attempt(kind=AttemptKind.COMPLETED, attempt=1),)
