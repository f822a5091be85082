"""Waiting longer after each failed start, and calling it a loop at last."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

_FIRST_SECONDS: Final = 0.1
_LONGEST_SECONDS: Final = 10.0


@dataclass(slots=True)
class Backoff:
    """Counts failures in a row; `failures_allowed` of them are a loop."""

    failures_allowed: int = 10
    clock: Callable[[], float] = time.monotonic
    _failures: int = 0
    _not_before: float = 0.0

    def failed(self) -> None:
        """Another start has failed."""
        self._failures += 1
        wait = min(_LONGEST_SECONDS, _FIRST_SECONDS * 2.0 ** (self._failures - 1))
        self._not_before = self.clock() + wait

    def succeeded(self) -> None:
        """A start has worked: the next failure is the first again."""
        self._failures = 0
        self._not_before = 0.0

    def wait_seconds(self) -> float:
        """Seconds until the next start may be tried; 0 for now."""
        return max(0.0, self._not_before - self.clock())

    @property
    def is_loop(self) -> bool:
        """Whether trying on is pointless."""
        return self._failures >= self.failures_allowed
