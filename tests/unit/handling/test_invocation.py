"""One guarded invocation: whatever user code does comes back as a value."""

from __future__ import annotations

import asyncio
import json
import logging
import sys
import time
from dataclasses import dataclass
from typing import Any

import pytest

from rrqmp.errors import NonRetry, Retry
from rrqmp.handling.context import ActivityContext, CancelReason, NoSignals
from rrqmp.handling.handler import ActivityHandler
from rrqmp.handling.invocation import Invoker
from rrqmp.handling.outcome import Outcome, Raised, Returned
from rrqmp.handling.registration import register
from rrqmp.handling.registry import Registry
from rrqmp.model.attempt import MAX_TEXT


@dataclass
class Job:
    path: str


class FakeExecutor:
    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []

    def for_parent(self, activity_id: str, queue_name: str) -> FakeExecutor:
        self.asked.append((activity_id, queue_name))
        return self


def context(attempt: int = 1, signals: Any = None) -> ActivityContext:
    deadline = time.monotonic_ns() + 10**9
    return ActivityContext(
        "id-1", "job", queue_name="q", attempt=attempt, deadline=deadline, signals=signals or NoSignals()
    )


def invoker_of(handler: Any, **options: Any) -> Invoker:
    registry = Registry()
    registry.add(register("job", handler, options))  # type: ignore[arg-type]
    return Invoker(registry, result_limit=1000)


def invoke(handler: Any, payload: bytes = b"1", **options: Any) -> Outcome:
    bound = invoker_of(handler, **options).prepare("job")
    assert bound is not None
    return bound.invoke(payload, context())


def raised_by(handler: Any, payload: bytes = b"1", **options: Any) -> Raised:
    outcome = invoke(handler, payload, **options)
    assert isinstance(outcome, Raised)
    return outcome


def raising(error: BaseException) -> Any:
    def handler(payload: Any) -> None:
        raise error

    return handler


def test_the_value_comes_back_as_json() -> None:
    def handler(payload: Job) -> dict[str, int]:
        return {"length": len(payload.path)}

    assert invoke(handler, b'{"path":"abc"}') == Returned(b'{"length":3}')


def test_none_is_a_result() -> None:
    assert invoke(lambda payload: None) == Returned(b"null")


def test_the_context_is_given_only_to_who_takes_it() -> None:
    assert invoke(lambda payload, context: context.attempt) == Returned(b"1")
    assert invoke(lambda payload, size=3: size) == Returned(b"3")


def test_a_handler_class_is_made_once_a_worker() -> None:
    made: list[int] = []

    class Counting(ActivityHandler):
        def __init__(self) -> None:
            made.append(1)

        def handle(self, payload: Any, context: ActivityContext) -> int:
            return len(made)

    invoker = invoker_of(Counting)
    first, second = invoker.prepare("job"), invoker.prepare("job")
    assert first is second
    assert made == [1]


def test_a_type_without_handler_is_none() -> None:
    assert invoker_of(lambda payload: None).prepare("other") is None


def test_an_exception_becomes_words_frames_and_the_users_line() -> None:
    def handler(payload: Any) -> Any:
        return json.loads("x")

    failure = raised_by(handler)
    assert failure.error == "json.decoder.JSONDecodeError"
    assert failure.message.startswith("Expecting value")
    assert failure.where == f"test_invocation.py:{handler.__code__.co_firstlineno + 1} handler"
    assert failure.traceback.index("test_invocation.py") < failure.traceback.index("decoder.py")
    assert 'invocation.py", line' not in failure.traceback.replace("test_invocation.py", "")
    assert failure.retryable


def test_a_cause_is_kept_in_the_traceback() -> None:
    def handler(payload: Any) -> None:
        try:
            raise KeyError("inner")
        except KeyError as error:
            raise ValueError("outer") from error

    assert "KeyError: 'inner'" in raised_by(handler).traceback


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt(), GeneratorExit(), asyncio.CancelledError()])
def test_even_what_is_no_exception_ends_the_attempt_only(error: BaseException) -> None:
    assert raised_by(raising(error)).error.endswith(type(error).__name__)


@pytest.mark.parametrize(
    ("error", "options", "retryable"),
    [
        (ValueError(), {}, True),
        (OSError(), {}, True),
        (PermissionError(), {}, False),
        (FileNotFoundError(), {}, False),
        (FileExistsError(), {}, False),
        (FileNotFoundError(), {"retry_on": (OSError,)}, True),
        (ValueError(), {"retry_on": (OSError,)}, False),
        (ValueError(), {"non_retryable": (ValueError,)}, False),
        (UnicodeError(), {"non_retryable": ValueError}, False),
        (NonRetry("no"), {}, False),
        (NonRetry("no"), {"retry_on": (Exception,)}, False),
        (Retry("again"), {"non_retryable": (Exception,)}, True),
    ],
)
def test_who_is_tried_again(error: Exception, options: dict[str, Any], retryable: bool) -> None:
    assert raised_by(raising(error), **options).retryable is retryable


def test_a_retry_may_wish_for_its_delay() -> None:
    assert raised_by(raising(Retry("later", delay=2.5))).delay == 2.5
    assert raised_by(raising(Retry("later"))).delay is None


def test_a_wrong_delay_is_told_and_the_policy_decides() -> None:
    failure = raised_by(raising(Retry("later", delay=-1)))
    assert failure.delay is None
    assert "the delay of Retry is -1 s" in failure.message


def test_a_payload_that_does_not_fit_is_not_retried() -> None:
    def handler(payload: Job) -> None: ...

    failure = raised_by(handler, b'{"path": 3}')
    assert (failure.error, failure.retryable) == ("InvalidPayload", False)
    assert "$.path" in failure.message


def test_foreign_bytes_as_payload_are_not_retried() -> None:
    assert not raised_by(lambda payload: None, b"\xff{").retryable


def test_a_result_that_cannot_be_stored_keeps_its_repr_and_is_not_retried() -> None:
    failure = raised_by(lambda payload: {"a": {1}})
    assert (failure.error, failure.retryable) == ("ResultNotStorable", False)
    assert failure.message.startswith("result['a']: a set is not JSON")
    assert failure.result_repr == "{'a': {1}}"


def test_a_result_over_the_limit_keeps_the_beginning_of_its_repr() -> None:
    failure = raised_by(lambda payload: ["x" * 500] * 10_000)
    assert "at most 1000" in failure.message
    assert 0 < len(failure.result_repr) <= MAX_TEXT


class Hostile:
    def __repr__(self) -> str:
        raise RuntimeError("no repr")


class HostileError(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no str")


def test_hostile_reprs_and_messages_are_survived() -> None:
    assert "Hostile instance at" in raised_by(lambda payload: Hostile()).result_repr
    assert raised_by(raising(HostileError())).message == "<its str() raised RuntimeError>"


def test_texts_are_bounded_and_fit_for_json() -> None:
    failure = raised_by(raising(ValueError("\ud800" + "x" * 100_000)))
    assert len(failure.message) < MAX_TEXT + 200
    assert "\\ud800" in failure.message


def test_endless_recursion_is_a_failure_like_any_other() -> None:
    def deeper(payload: Any) -> Any:
        return deeper(payload)

    assert raised_by(deeper).error == "RecursionError"


def test_a_handler_that_cannot_be_made_fails_its_activities_and_is_tried_again() -> None:
    tries: list[int] = []

    class Fragile(ActivityHandler):
        def __init__(self) -> None:
            tries.append(1)
            if len(tries) == 1:
                raise OSError("model not there yet")

        def handle(self, payload: Any, context: ActivityContext) -> None: ...

    invoker = invoker_of(Fragile)
    broken, whole = invoker.prepare("job"), invoker.prepare("job")
    assert broken is not None
    assert whole is not None
    failure = broken.invoke(b"1", context())
    assert isinstance(failure, Raised)
    assert (failure.message, failure.retryable) == ("model not there yet", True)
    assert whole.invoke(b"1", context()) == Returned(b"null")


def test_async_handlers_run_on_one_loop_and_leave_no_task_behind() -> None:
    left_behind: list[asyncio.Task[None]] = []
    loops: list[asyncio.AbstractEventLoop] = []

    async def for_ever() -> None:
        await asyncio.Event().wait()

    async def handler(payload: Any) -> str:
        loops.append(asyncio.get_running_loop())
        left_behind.append(asyncio.create_task(for_ever()))
        await asyncio.sleep(0)
        return "done"

    bound = invoker_of(handler).prepare("job")
    assert bound is not None
    assert [bound.invoke(b"1", context()) for _ in range(2)] == [Returned(b'"done"')] * 2
    assert loops[0] is loops[1]
    assert all(task.cancelled() for task in left_behind)
    loops[0].close()


def test_an_async_handler_that_raises_is_told_by_its_own_line() -> None:
    async def handler(payload: Any) -> None:
        await asyncio.sleep(0)
        raise ValueError("inside")

    bound = invoker_of(handler).prepare("job")
    assert bound is not None
    failure = bound.invoke(b"1", context())
    assert isinstance(failure, Raised)
    assert failure.where.endswith("handler")
    _close_loop(bound)


def _close_loop(bound: Any) -> None:
    bound._invoker._coroutines._runner.close()


class Mourning(ActivityHandler[Job, None]):
    def __init__(self) -> None:
        self.seen: list[tuple[Any, str]] = []

    def handle(self, payload: Job, context: ActivityContext) -> None: ...

    def on_dead_letter(self, payload: Job, context: ActivityContext, error: BaseException) -> None:
        self.seen.append((payload, str(error)))


def test_on_dead_letter_gets_payload_context_and_error() -> None:
    handler = Mourning()
    bound = invoker_of(handler).prepare("job")
    assert bound is not None
    bound.dead_letter(b'{"path":"a"}', context(), ValueError("why"))
    bound.dead_letter(b"{}", context(), ValueError("unfit"))
    assert handler.seen == [(Job("a"), "why"), (None, "unfit")]


def test_on_dead_letter_that_raises_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    class Raising(ActivityHandler):
        def handle(self, payload: Any, context: ActivityContext) -> None: ...

        def on_dead_letter(self, payload: Any, context: ActivityContext, error: BaseException) -> None:
            sys.exit("no")

    bound = invoker_of(Raising).prepare("job")
    assert bound is not None
    with caplog.at_level(logging.ERROR):
        bound.dead_letter(b"1", context(), ValueError())
    assert "on_dead_letter of job failed for id-1" in caplog.text


def test_the_executor_is_opened_once_a_worker_and_scoped_to_each_parent() -> None:
    executor = FakeExecutor()
    opened: list[int] = []

    def open_executor() -> Any:
        opened.append(1)
        return executor

    registry = Registry()
    registry.add(register("job", lambda payload, context: context.activity_executor and None, {}))
    bound = Invoker(registry, open_executor).prepare("job")
    assert bound is not None
    assert [bound.invoke(b"1", context()) for _ in range(2)] == [Returned(b"null")] * 2
    assert opened == [1]
    assert executor.asked == [("id-1", "q")] * 2


class Calling:
    def __init__(self, cancelled: bool, stopping: bool) -> None:
        self._cancelled, self._stopping = cancelled, stopping

    def cancelled(self) -> bool:
        return self._cancelled

    def stopping(self) -> bool:
        return self._stopping


@pytest.mark.parametrize(
    ("cancelled", "stopping", "reason"),
    [(False, False, None), (True, True, CancelReason.CANCELLED), (False, True, CancelReason.STOPPING)],
)
def test_the_token_tells_a_cancel_from_a_stop(cancelled: bool, stopping: bool, reason: CancelReason | None) -> None:
    made = context(signals=Calling(cancelled, stopping))
    assert made.cancel_token.is_cancelled() is cancelled
    assert made.stopping is stopping
    assert made.cancel_token.reason is reason


def test_the_context_counts_attempts_from_one_and_time_downwards() -> None:
    made = context(attempt=3)
    assert (made.attempt, made.retry_count) == (3, 2)
    assert 0 < made.time_remaining() <= 1.0
    assert made.metadata == {}


def test_the_logger_carries_the_ids(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "rrqmp.activity"):
        context().logger.info("hello")
    assert caplog.records[0].__dict__["activity_id"] == "id-1"


def test_a_context_made_by_hand_says_that_it_has_no_queue() -> None:
    with pytest.raises(RuntimeError, match="made by hand"):
        _ = context().activity_executor
