"""When an attempt that failed is followed by another, and after how long."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from rrqmp.errors import ConfigurationError
from rrqmp.model.units import MOST_SECONDS

UNLIMITED: Final = -1
# Far beyond every life, and a number that all sides can read.
MOST_RETRIES: Final = 2**53


def check_max_retries(value: object) -> int:
    """A number of retries, 0 or more, or `UNLIMITED`; raises `ConfigurationError`."""
    if not isinstance(value, int) or isinstance(value, bool) or not UNLIMITED <= value <= MOST_RETRIES:
        raise ConfigurationError(f"max_retries is {value!r}: give 0 or more, or UNLIMITED")
    return value


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


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
        check_max_retries(self.max_retries)
        # Written so that NaN fails too.
        if not all(_is_number(value) and 0 <= value <= MOST_SECONDS for value in (self.base, self.cap)):
            raise ConfigurationError(f"{self}: base and cap are seconds, 0 to 30 days")
        if not (_is_number(self.jitter) and 0 <= self.jitter <= 1):
            raise ConfigurationError(f"{self}: jitter is a fraction from 0 to 1")

    def allows(self, retries_used: int) -> bool:
        """Whether one more retry may follow those used."""
        return self.max_retries == UNLIMITED or retries_used < self.max_retries

    def delay(self, retry: int, spread: float) -> float:
        """Seconds before retry number `retry` (from 1); `spread` from -1 to 1 places it inside the jitter."""
        # 2**60 seconds is past every cap; a larger exponent would only overflow.
        plain = min(self.base * 2.0 ** min(retry, 60), self.cap)
        return plain * (1.0 + self.jitter * spread)
