"""Moments as people type them: a date and time of their own zone, or so long ago."""

from __future__ import annotations

import time
from datetime import datetime

import click

from rrqmp.errors import ConfigurationError
from rrqmp.model.units import seconds_of_text

_YEAR_SECONDS = 366 * 86400.0


def moment_of_text(text: str | None, flag: str) -> float | None:
    """Seconds since 1970 of `2026-11-21 20:00`, of an ISO time with a zone, or of `90m`, which is so long ago."""
    if text is None:
        return None
    try:
        return datetime.fromisoformat(text).astimezone().timestamp()
    except (ValueError, OverflowError):
        pass
    try:
        return time.time() - seconds_of_text(text, flag, least=0, most=_YEAR_SECONDS)
    except ConfigurationError:
        raise click.UsageError(
            f"{flag} is {text!r}: give a time such as '2026-11-21 20:00', or how long ago, such as 90m"
        ) from None
