"""Seconds and bytes as people write them: numbers and timedeltas in Python, `10m` and `512MiB` in text.

Which range a value must lie in is a rule of the public API, the same for every duration: 1 ms to 30 days.
"""

from __future__ import annotations

import math
import re
from datetime import timedelta
from typing import Final

from rrqmp.errors import ConfigurationError

LEAST_SECONDS: Final = 0.001
MOST_SECONDS: Final = 30 * 86400.0

_SECONDS_OF: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_BYTES_OF: Final = {"B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40}
_NUMBER_AND_UNIT: Final = re.compile(r"(\d+(?:\.\d+)?)\s*([A-Za-z]*)")


def check_seconds(value: object, name: str, *, least: float = LEAST_SECONDS, most: float = MOST_SECONDS) -> float:
    """A number of seconds or a timedelta as seconds; raises `ConfigurationError` outside `least` to `most`."""
    if isinstance(value, timedelta):
        seconds = value.total_seconds()
    elif isinstance(value, int | float) and not isinstance(value, bool):
        try:
            seconds = float(value)
        except OverflowError:
            seconds = math.inf
    else:
        raise ConfigurationError(f"{name} is {value!r}: give seconds (int or float) or a timedelta")
    # Written so that NaN fails too.
    if not least <= seconds <= most:
        raise ConfigurationError(f"{name} is {seconds:g} s: give {_spoken(least)} to {_spoken(most)}")
    return seconds


def seconds_of_text(text: str, name: str, *, least: float = LEAST_SECONDS, most: float = MOST_SECONDS) -> float:
    """Reads `250ms`, `10`, `10s`, `10m`, `2h`, `1d`; a bare number is seconds."""
    found = _NUMBER_AND_UNIT.fullmatch(text.strip())
    factor = _SECONDS_OF.get(found[2] or "s") if found else None
    if found is None or factor is None:
        raise ConfigurationError(f"{name} is {text!r}: give a number with ms, s, m, h or d, such as 10m")
    return check_seconds(float(found[1]) * factor, name, least=least, most=most)


def bytes_of_text(text: str, name: str) -> int:
    """Reads `4096`, `64KiB`, `512MiB`, `2GiB`; decimal suffixes are refused, since nobody agrees on them."""
    found = _NUMBER_AND_UNIT.fullmatch(text.strip())
    factor = _BYTES_OF.get(found[2] or "B") if found else None
    if found is None or factor is None:
        remedy = (
            f"write {found[1]}{found[2][0].upper()}iB"
            if found and found[2][:1].upper() in set("KMGT")
            else ("give bytes or a number with KiB, MiB, GiB or TiB, such as 512MiB")
        )
        raise ConfigurationError(f"{name} is {text!r}: {remedy}")
    return round(float(found[1]) * factor)


def check_bytes(value: object, name: str, *, least: int = 1) -> int:
    """A size as bytes, from an int or text with a binary suffix."""
    if isinstance(value, str):
        value = bytes_of_text(value, name)
    if not isinstance(value, int) or isinstance(value, bool):
        raise ConfigurationError(f"{name} is {value!r}: give bytes (int) or text such as '512MiB'")
    if value < least:
        raise ConfigurationError(f"{name} is {value} bytes: give at least {least}")
    return value


def _spoken(seconds: float) -> str:
    for unit in ("d", "h", "m", "s"):
        if seconds >= _SECONDS_OF[unit]:
            return f"{seconds / _SECONDS_OF[unit]:g} {unit}"
    return f"{seconds * 1000:g} ms"
