"""When an attempt that failed is followed by another, and after how long."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from rrqmp.model.units import MOST_SECONDS

UNLIMITED: Final = -1


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often and how late an activity is tried again; times in seconds.

    `max_retries` counts the runs after the first (0 none, `UNLIMITED` no end). Retry n waits `base * 2**n`, at most
    `cap`, spread by `jitter` (a fraction) to either side.
    """

    max_retries: int = 3
    base: float = 1.0
    cap: float = 3600.0
    jitter: float = 0.1

    def __post_init__(self) -> None:
        if self.max_retries < UNLIMITED:
            raise ValueError(f"max_retries is {self.max_retries}: give 0 or more, or UNLIMITED")
        # Written so that NaN fails too.
        if not (0 <= self.base <= MOST_SECONDS and 0 <= self.cap <= MOST_SECONDS):
            raise ValueError(f"{self}: base and cap are seconds, 0 to 30 days")
        if not 0 <= self.jitter <= 1:
            raise ValueError(f"{self}: jitter is a fraction from 0 to 1")

    def allows(self, retries_used: int) -> bool:
        """Whether one more retry may follow those used."""
        return self.max_retries == UNLIMITED or retries_used < self.max_retries

    def delay(self, retry: int, spread: float) -> float:
        """Seconds before retry number `retry` (from 1); `spread` from -1 to 1 places it inside the jitter."""
        # 2**60 seconds is past every cap; a larger exponent would only overflow.
        plain = min(self.base * 2.0 ** min(retry, 60), self.cap)
        return plain * (1.0 + self.jitter * spread)
