"""Types whose `setup` kills its process: how long the workers to come leave them alone.

A setup that raises is its worker's own affair. One that hangs or crashes takes the process along, and its successor
would claim the same activity and die of the same: the type is set aside for them, longer after each wave of deaths.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from rrqmp.shared_state.around import LONGEST_PAUSE_SECONDS, setup_pause_seconds
from rrqmp.supervisor.log import LOGGER


@dataclass(slots=True)
class _Trouble:
    waves: int = 0
    until: float = 0.0
    seconds: float = 0.0


class SetupDeaths:
    """Counts waves and not deaths: several workers that try at once are one piece of news."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._troubles: dict[str, _Trouble] = {}

    def died(self, activity_type: str) -> None:
        """A process has died in the setup of this type."""
        now = self._clock()
        trouble = self._troubles.setdefault(activity_type, _Trouble())
        if now < trouble.until:
            return
        # Quiet for longer than it was last set aside: whatever it was has passed.
        trouble.waves = trouble.waves + 1 if now < trouble.until + LONGEST_PAUSE_SECONDS + trouble.seconds else 1
        trouble.seconds = setup_pause_seconds(trouble.waves)
        trouble.until = now + trouble.seconds
        LOGGER.error(
            "setup of %s has killed its worker, %d times in a row on this node: no attempt is charged, new ones leave "
            "the type alone for %g s",
            activity_type,
            trouble.waves,
            trouble.seconds,
        )

    def aside(self) -> tuple[tuple[str, float], ...]:
        """The types to be left alone now, and for how many seconds more."""
        now = self._clock()
        return tuple((kind, one.until - now) for kind, one in self._troubles.items() if one.until > now)
