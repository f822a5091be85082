"""A stated amount of pure CPU work, and how much of it fills a given time on this machine."""

from __future__ import annotations

import time


def spin(rounds: int) -> int:
    """Work without memory or system calls."""
    total = 0
    for number in range(rounds):
        total += number & 7
    return total


def rounds_for(milliseconds: float) -> int:
    """How many rounds take that long: the quickest of several tries, since others only ever slow one down."""
    probe = 100_000
    best = min(_seconds(probe) for _ in range(9))
    return round(probe * milliseconds / 1000 / best)


def _seconds(rounds: int) -> float:
    began = time.perf_counter()
    spin(rounds)
    return time.perf_counter() - began
