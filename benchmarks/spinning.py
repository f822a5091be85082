"""A stated amount of pure CPU work, and how much of it fills a given time on this machine."""

from __future__ import annotations

import hashlib
import time


def spin(rounds: int) -> None:
    """Work without memory or system calls.

    In C on purpose: a Python loop makes an object a step, and ran a fifth faster or slower from process to process, by
    where its heap happened to lie.
    """
    hashlib.pbkdf2_hmac("sha256", b"work", b"salt", rounds)


def rounds_for(milliseconds: float) -> int:
    """How many rounds take that long: the quickest of several tries, since others only ever slow one down."""
    probe = 10_000
    best = min(_seconds(probe) for _ in range(9))
    return round(probe * milliseconds / 1000 / best)


def _seconds(rounds: int) -> float:
    began = time.perf_counter()
    spin(rounds)
    return time.perf_counter() - began
