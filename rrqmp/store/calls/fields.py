"""Stored fields as words of the model. A stranger may have written any of them, so nothing here raises."""

from __future__ import annotations

import msgspec

from rrqmp.model.attempt import Attempt, AttemptKind, decode_attempt
from rrqmp.model.priority import ActivityPriority
from rrqmp.model.status import ActivityStatus


def text(stored: bytes | None) -> str:
    """Any bytes, readable."""
    return (stored or b"").decode(errors="replace")


def number(stored: bytes | None) -> int | None:
    """An integer, or nothing."""
    try:
        return None if stored is None else int(stored)
    except ValueError:
        return None


def status(stored: bytes | None) -> ActivityStatus | None:
    """A state, or nothing."""
    try:
        return ActivityStatus(text(stored))
    except ValueError:
        return None


def priority(stored: bytes | None) -> ActivityPriority | None:
    """The priority that the field `k` begins with."""
    try:
        return ActivityPriority(int((stored or b"")[:1]))
    except ValueError:
        return None


def attempt(line: bytes) -> Attempt:
    """One attempt; foreign bytes are shown as a corrupt one."""
    try:
        return decode_attempt(line)
    except msgspec.MsgspecError:
        return Attempt(kind=AttemptKind.CORRUPT, message=text(line))
