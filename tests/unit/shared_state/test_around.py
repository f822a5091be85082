"""Rules for user code around activities."""

from __future__ import annotations

import pytest

from rrqmp.shared_state.around import FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS, setup_pause_seconds


@pytest.mark.parametrize(
    ("failures", "seconds"),
    [(1, FIRST_PAUSE_SECONDS), (2, 2 * FIRST_PAUSE_SECONDS), (8, LONGEST_PAUSE_SECONDS), (5000, LONGEST_PAUSE_SECONDS)],
)
def test_type_whose_setup_goes_on_failing_is_left_alone_for_a_minute_at_most(failures: int, seconds: float) -> None:
    assert setup_pause_seconds(failures) == seconds
