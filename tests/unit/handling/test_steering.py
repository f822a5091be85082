"""What a handler raises or asks to steer its attempt: retries by the error's own word, releases, state, progress."""

from __future__ import annotations

import logging
import re
import time
from typing import Any

import pytest

from rrqmp.errors import (
    ActivityFailed,
    InvalidPayload,
    NonRetry,
    PayloadTooLarge,
    Release,
    ResultTimeout,
    Retry,
    RetryableError,
    SoftTimeout,
    StaleAttempt,
)
from rrqmp.handling.context import ActivityContext, NoSignals
from rrqmp.handling.failure import is_retryable, outcome_of
from rrqmp.handling.outcome import Raised, Released
from rrqmp.handling.registration import Registration, register


def registered(**options: Any) -> Registration:
    return register("job", lambda payload: None, options)  # type: ignore[arg-type]


class Says(Exception):
    def __init__(self, said: Any) -> None:
        super().__init__(said)
        self.is_retryable = said


class Hostile(Exception):
    @property
    def is_retryable(self) -> bool:
        raise RuntimeError("no")


@pytest.mark.parametrize(
    ("error", "again"),
    [
        (Says(True), True),
        (Says(False), False),
        (Says(lambda: False), False),
        (Says(lambda: 1 / 0), True),
        (Hostile(), True),
        (ValueError(), True),
        (FileNotFoundError(), False),
        (ResultTimeout("a child was slow"), True),
        (ActivityFailed("a child has failed for good"), False),
        (SoftTimeout(), True),
        (Retry(), True),
        (NonRetry(), False),
    ],
)
def test_error_says_itself_whether_it_is_tried_again(error: BaseException, again: bool) -> None:
    assert is_retryable(error, registered()) is again


def test_protocol_names_what_has_the_word() -> None:
    assert isinstance(Says(True), RetryableError)
    assert not isinstance(ValueError(), RetryableError)


def test_handlers_lists_go_before_the_errors_own_word() -> None:
    assert not is_retryable(Says(True), registered(non_retryable=(Says,)))
    assert is_retryable(Says(False), registered(retry_on=(Says,)))
    assert not is_retryable(Says(True), registered(retry_on=(OSError,)))
    # Time is no exception of the handler's: as with the hard limit.
    assert is_retryable(SoftTimeout(), registered(retry_on=(OSError,)))


def test_release_carries_its_delay_and_its_state() -> None:
    found = outcome_of(Release("later", checkpoint={"far": 1}, delay=3), registered())
    assert found == Released(message="later", delay=3.0, checkpoint=b'{"far":1}')
    assert outcome_of(Release(), registered()) == Released()


@pytest.mark.parametrize(
    ("release", "message"),
    [
        (Release(checkpoint=object()), "Release: checkpoint: object is nothing that JSON can hold"),
        (Release(checkpoint="x" * 65536), r"at most 65536 \(64 KiB\); store the bulk elsewhere"),
        (Release(delay=-1), "the delay of Release is -1 s"),
    ],
)
def test_release_that_cannot_be_kept_is_an_attempt_that_failed(release: Release, message: str) -> None:
    found = outcome_of(release, registered())
    assert isinstance(found, Raised)
    assert found.retryable
    assert re.search(message, found.message), found.message


class Told(NoSignals):
    """Keeps what is reported; refuses to save once it is stale."""

    stale = False

    def __init__(self) -> None:
        super().__init__()
        self.reports: list[tuple[int | None, bytes]] = []
        self.reads = 0

    def report(self, activity_id: str, millionths: int | None, message: bytes) -> None:
        self.reports.append((millionths, message))

    def save(self, activity_id: str, checkpoint: bytes) -> bool:
        return not self.stale and super().save(activity_id, checkpoint)

    def saved(self, activity_id: str) -> bytes:
        self.reads += 1
        return super().saved(activity_id)


@pytest.fixture
def signals() -> Told:
    return Told()


@pytest.fixture
def context(signals: Told) -> ActivityContext[Any]:
    deadline = time.monotonic_ns() + 10**9
    return ActivityContext("id-1", "job", queue_name="q", attempt=2, deadline=deadline, signals=signals)


def test_checkpoint_is_read_once_and_only_when_asked_for(context: ActivityContext[Any], signals: Told) -> None:
    signals.checkpoint = b'{"far":1}'
    assert signals.reads == 0
    assert context.checkpoint == context.checkpoint == {"far": 1}
    assert signals.reads == 1


def test_saved_state_is_what_the_next_attempt_would_read(context: ActivityContext[Any], signals: Told) -> None:
    assert context.checkpoint is None
    context.save_checkpoint((1, 2))
    assert context.checkpoint == [1, 2]
    assert signals.checkpoint == b"[1,2]"


def test_state_that_cannot_be_kept_is_an_error_at_the_call(context: ActivityContext[Any], signals: Told) -> None:
    with pytest.raises(InvalidPayload, match="checkpoint.*a set"):
        context.save_checkpoint({"a": {1}})
    with pytest.raises(PayloadTooLarge, match=r"checkpoint: 65539 bytes of JSON, at most 65536 \(64 KiB\)"):
        context.save_checkpoint("x" * 65537)
    context.save_checkpoint("x" * 65534)
    signals.stale = True
    with pytest.raises(StaleAttempt, match="attempt 2 of job id-1 is not its current one any more"):
        context.save_checkpoint(1)


def test_progress_is_checked_and_its_message_cut_between_characters(
    context: ActivityContext[Any], signals: Told
) -> None:
    context.progress(0.25, "x" + "é" * 200)
    context.progress(None, "loading")
    context.progress(1)
    assert signals.reports == [(250_000, ("x" + "é" * 127).encode()), (None, b"loading"), (1_000_000, b"")]
    for wrong in (1.01, -0.1, float("nan"), True):
        with pytest.raises(ValueError, match="give a fraction from 0 to 1"):
            context.progress(wrong)


def test_logger_adds_the_ids_to_the_callers_own_fields(
    context: ActivityContext[Any], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, logger="rrqmp.activity"):
        context.logger.info("hello", extra={"path": "a.png", "attempt": 99})
    [record] = caplog.records
    fields = vars(record)
    assert (fields["activity_id"], fields["activity_type"], fields["attempt"]) == ("id-1", "job", 2)
    assert fields["path"] == "a.png"


def test_shield_of_a_context_made_by_hand_holds_nothing_off(context: ActivityContext[Any]) -> None:
    with context.shield():
        pass
