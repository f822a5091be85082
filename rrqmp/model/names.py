"""Which names activity types and queues may have, and what somebody probably meant by a wrong one."""

from __future__ import annotations

import re
from collections.abc import Iterable
from enum import Enum
from typing import Final

from rrqmp.errors import ConfigurationError

# The board shows a type in a field of this many bytes, and a successor looks the handler up by it.
MAX_NAME_BYTES: Final = 64
MAX_KEY_BYTES: Final = 512

_WORD_START: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


def check_activity_type(name: object) -> str:
    """Returns the name as a plain string; raises `ConfigurationError` with the remedy."""
    if isinstance(name, Enum):
        name = name.value
    checked = _check_name(name, "an activity type")
    if checked == "*":
        raise ConfigurationError("'*' cannot be an activity type: it stands for all types; choose a word")
    return checked


def check_queue_name(name: object) -> str:
    """Returns the name as a plain string; raises `ConfigurationError` with the remedy."""
    return _check_name(name.value if isinstance(name, Enum) else name, "a queue name")


def snake_case(class_name: str) -> str:
    """The default activity type of a handler class: `ParseHTMLPage` gives `parse_html_page`."""
    return _WORD_START.sub("_", class_name).lower()


def nearest(word: str, choices: Iterable[str], likeness: float = 0.75) -> str | None:
    """The choice that the word is most like, if any is like it."""
    # Imported here: only a mistake needs it, and it costs every start 3 ms.
    from difflib import get_close_matches

    return next(iter(get_close_matches(word, list(choices), 1, likeness)), None)


def did_you_mean(word: str, choices: Iterable[str]) -> str:
    """The end of an error message: the nearest choice, else all of them."""
    known = sorted(choices)
    near = nearest(word, known, 0.6)
    return f"did you mean '{near}'?" if near else f"there are: {', '.join(known)}"


def _check_name(name: object, what: str) -> str:
    if not isinstance(name, str):
        raise ConfigurationError(f"{name!r} cannot be {what}: give a string")
    name = str.__str__(name)
    if not name:
        raise ConfigurationError(f"an empty string cannot be {what}: give at least one character")
    if "{" in name or "}" in name:
        raise ConfigurationError(f"{name!r} cannot be {what}: braces mark the slot of Redis Cluster; leave them out")
    if not name.isprintable():
        raise ConfigurationError(f"{name!r} cannot be {what}: it holds control characters; use printable ones")
    if name != name.strip():
        raise ConfigurationError(f"{name!r} cannot be {what}: strip the spaces at its ends")
    size = len(name.encode())
    if size > MAX_NAME_BYTES:
        raise ConfigurationError(
            f"{name[:40]!r}... cannot be {what}: {size} bytes, at most {MAX_NAME_BYTES}; shorten it"
        )
    return name
