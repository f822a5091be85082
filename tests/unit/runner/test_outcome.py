import json
from typing import Any

import msgspec
import pytest

from rrqmp.runner import ExecutionOutcome, ExecutionRequest, OutcomeStatus
from rrqmp.runner.frames import FRAME_MOST
from rrqmp.runner.outcome import encode_outcome


def payload(outcome: ExecutionOutcome) -> dict[str, Any]:
    body, _ = encode_outcome(outcome, "j", "r")
    message: dict[str, Any] = json.loads(body)
    assert message["type"] == "response"
    assert (message["payload"].pop("job_id"), message["payload"].pop("request_id")) == ("j", "r")
    answer: dict[str, Any] = message["payload"]
    return answer


# The README's names and the crate's, for the same things.
PAIRS = [
    (ExecutionOutcome.failure("a", "b", "m"), ExecutionOutcome.error("a", "b", "m")),
    (ExecutionOutcome.retry_after("a", "b", "m", 60), ExecutionOutcome.retry("a", "b", "m", 60)),
    (ExecutionOutcome.timeout("a", "b"), ExecutionOutcome.timeout("a", "b", "handler gave up")),
    (ExecutionOutcome.cancelled("a", "b"), ExecutionOutcome.error("a", "b", "Job cancelled", kind="cancelled")),
]


@pytest.mark.parametrize(("readme", "crate"), PAIRS)
def test_both_sets_of_names_mean_the_same(readme: ExecutionOutcome, crate: ExecutionOutcome) -> None:
    assert readme == crate


def test_methods_of_the_request_bear_its_ids() -> None:
    request = ExecutionRequest("a", "b", "f")
    assert request.success([1]) == ExecutionOutcome.success("a", "b", [1])
    assert request.failure("m") == ExecutionOutcome.failure("a", "b", "m")
    assert request.error("m", kind="k", code="c", details=[1]) == ExecutionOutcome.error(
        "a", "b", "m", kind="k", code="c", details=[1]
    )
    assert request.retry("m") == ExecutionOutcome.retry("a", "b", "m")
    assert request.retry_after("m", 60) == ExecutionOutcome.retry_after("a", "b", "m", 60)
    assert request.timeout() == ExecutionOutcome.timeout("a", "b")
    assert request.cancelled() == ExecutionOutcome.cancelled("a", "b")
    assert request.handler_not_found("m") == ExecutionOutcome.handler_not_found("a", "b", "m")


@pytest.mark.parametrize(
    "outcome",
    [
        ExecutionOutcome.success("a", "b", float("inf")),
        ExecutionOutcome.success("a", "b", {1: object()}),
        ExecutionOutcome.success("a", "b", "x" * FRAME_MOST),
        ExecutionOutcome.success("a", "b", msgspec.Raw(b'"' + b"x" * FRAME_MOST + b'"')),
        ExecutionOutcome.error("a", "b", "m", details="x" * FRAME_MOST),
        ExecutionOutcome.error("a", "b", "m", details=float("nan")),
        ExecutionOutcome.retry("a", "b", "m", float("nan")),
        ExecutionOutcome.retry("a", "b", "m", True),
        ExecutionOutcome("a", "b", "done", 1),  # type: ignore[arg-type]
    ],
)
def test_outcome_that_cannot_be_sent_becomes_an_error_that_says_so(outcome: ExecutionOutcome) -> None:
    answer = payload(outcome)
    assert answer["status"] == "error"
    assert answer["error"]["type"] == "result_not_sendable"


@pytest.mark.parametrize("message", [5, None, "\ud800", "x" * 100_000, ValueError("m")])
def test_message_of_any_kind_goes_as_text_of_bounded_length(message: Any) -> None:
    answer = payload(ExecutionOutcome.error("a", "b", message, kind=message, code=message))
    assert isinstance(answer["error"]["message"], str)
    assert len(answer["error"]["message"]) < 10_000
    assert isinstance(answer["error"].get("code"), str | None)


def test_status_is_told_with_the_frame() -> None:
    assert encode_outcome(ExecutionOutcome.success("a", "b", 1), "j", "r")[1] is OutcomeStatus.SUCCESS
    assert encode_outcome(ExecutionOutcome.success("a", "b", {1, 2}), "j", "r")[1] is OutcomeStatus.ERROR
