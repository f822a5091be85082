"""Rules for user code around activities: the same whether a worker sees it fail or the supervisor sees it kill."""

from __future__ import annotations

from typing import Final

# An `on_dead_letter` that has killed two processes is not given a third.
CALLBACK_DEATHS_MOST: Final = 2
FIRST_PAUSE_SECONDS: Final = 0.5
LONGEST_PAUSE_SECONDS: Final = 60.0
_DOUBLINGS_MOST: Final = 10


def setup_pause_seconds(failures: int) -> float:
    """For how long a type is left alone whose `setup` has failed so often in a row."""
    # Bounded before it is raised: after a day of failures the power would be no float any more.
    return min(LONGEST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2.0 ** min(failures - 1, _DOUBLINGS_MOST))
