"""Priority as a head start in virtual time: first in first out inside a level, and nothing starves."""

from __future__ import annotations

from enum import IntEnum
from typing import Final

# Head start that no waiting time makes up for: levels 0 to 3 stay exact in the doubles that Redis keeps scores in.
STRICT_HEAD_START_US: Final = 10**15
DEFAULT_AGING_SECONDS: Final = 3600.0


class ActivityPriority(IntEnum):
    """How urgent an activity is; the value is the digit that Redis holds."""

    LOW = 0
    NORMAL = 1
    HIGH = 2
    CRITICAL = 3


def head_start_us(aging_seconds: float | None) -> int:
    """Microseconds by which one level goes ahead of the level below; `None` is strict order."""
    return STRICT_HEAD_START_US if aging_seconds is None else round(aging_seconds * 1_000_000)
