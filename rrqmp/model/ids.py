"""Activity ids: UUIDs of version 7, made by the client before it sends, so that a repeated send is harmless."""

from __future__ import annotations

import re
from os import urandom
from time import time_ns
from typing import Final

from rrqmp.errors import ConfigurationError

_SHAPE: Final = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
# The two bits of the variant over any random digit.
_VARIANT_DIGIT: Final = {f"{digit:x}": "89ab"[digit & 3] for digit in range(16)}


def new_activity_id() -> str:
    """Returns an id that no other process makes; ids sort by the time they were made, to about a quarter of 1 us."""
    now = time_ns()
    millis = now // 1_000_000
    # RFC 9562, 6.2, method 3: the 12 bits after the version hold the fraction of the millisecond.
    fraction = ((now - millis * 1_000_000) << 12) // 1_000_000
    tail = urandom(8).hex()
    # One formatting and no slicing of the whole: made for every submission, this is most of what it costs.
    head = f"{millis >> 16:08x}-{millis & 0xFFFF:04x}-7{fraction:03x}"
    return f"{head}-{_VARIANT_DIGIT[tail[0]]}{tail[1:4]}-{tail[4:]}"


def check_id_text(value: object) -> str:
    """A text that may name an activity, also one in a stranger's spelling; raises `ConfigurationError`."""
    if not isinstance(value, str) or not value or not value.isprintable():
        raise ConfigurationError(f"{value!r} is no activity id: give one as future.activity_id shows it")
    return value


def is_activity_id(text: object) -> bool:
    """Whether it is a text in the one spelling in which rrqmp writes ids."""
    return isinstance(text, str) and _SHAPE.fullmatch(text) is not None
