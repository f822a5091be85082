"""How long before the orchestrator's deadline an answer must be on its way."""

import time
from datetime import UTC, datetime, timedelta

import pytest

from rrqmp.runner.ticket import Deadline


@pytest.mark.parametrize(
    ("left", "ahead"), [(0.04, 0.02), (0.3, 0.05), (1.0, 0.1), (2.0, 0.2), (60.0, 0.25), (86_400.0, 0.25)]
)
def test_lead_grows_with_the_time_that_there_is(left: float, ahead: float) -> None:
    before = time.monotonic_ns()
    deadline = Deadline.read(datetime.now(UTC) + timedelta(seconds=left))
    assert deadline is not None
    assert deadline.ahead == pytest.approx(ahead, rel=0.1)
    assert (deadline.ns - before) / 1e9 == pytest.approx(left - ahead, abs=0.02)


def test_deadline_that_has_passed_is_none() -> None:
    assert Deadline.read(datetime.now(UTC)) is None
