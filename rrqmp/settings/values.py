"""Readers of single values: text from flags and environment, TOML's types and Python's own, into one plain form each.

A reader raises `ValueError` with what is wrong and what to give instead; the caller adds the setting and its source.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from difflib import get_close_matches
from pathlib import Path
from typing import Final, TypeAlias, TypeVar

T = TypeVar("T")
Reader: TypeAlias = Callable[[object], T]

DAY: Final = 86_400.0
MONTH: Final = 30 * DAY
_SECONDS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": DAY}
_BYTES: Final = {"B": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40}
_NUMBER_AND_UNIT: Final = re.compile(r"\s*([+-]?\d+(?:\.\d+)?)\s*([A-Za-z]*)\s*")
_NAME: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")
_APPLICATION: Final = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*(:[^\W\d]\w*(\.[^\W\d]\w*)*(\(\))?)?")
_REDIS_SCHEMES: Final = ("redis://", "rediss://", "unix://", "embedded:")


@dataclass(frozen=True, slots=True)
class QueuePlan:
    """The queues in the order given; `weighted` says whether the numbers are weights or the order is strict."""

    weights: Mapping[str, int]
    weighted: bool


def quoted(value: object) -> str:
    """A value as it stands in a message, cut to a readable length."""
    shown = repr(value)
    return shown if len(shown) <= 80 else shown[:77] + "..."


def closest(word: str, known: Sequence[str]) -> str:
    """A `did you mean` clause, empty where nothing is near."""
    near = get_close_matches(word, known, n=1, cutoff=0.6)
    return f"; did you mean {near[0]}?" if near else ""


def text(value: object) -> str:
    """Any text but the empty one."""
    if isinstance(value, os.PathLike):
        value = os.fspath(value)
    if not isinstance(value, str) or not value.strip():
        raise ValueError("give a text that is not empty")
    return value


def folder(value: object) -> str:
    """A folder that exists."""
    path = text(value)
    if not Path(path).is_dir():
        raise ValueError("there is no such folder")
    return path


def application(value: object) -> str:
    """`module`, `module:attribute` or `module:factory()`; what it names is found by the template, not here."""
    given = text(value)
    path, _, attribute = given.partition(":")
    if path.endswith(".py") or os.sep in path:
        module = ".".join(part for part in Path(path).with_suffix("").parts if part not in (os.sep, "."))
        raise ValueError(f"that is a file; did you mean {module}{':' + attribute if attribute else ''}?")
    if not _APPLICATION.fullmatch(given):
        raise ValueError("give module:attribute, such as thumbs:engine, or module:make() for a factory")
    return given


def redis_url(value: object) -> str:
    """A text that starts as a Redis URL does; the store reads the rest of it."""
    given = text(value)
    if given.startswith(_REDIS_SCHEMES):
        return given
    remedy = "give redis://HOST:PORT, rediss://HOST:PORT, unix:///PATH or embedded:"
    raise ValueError(remedy + closest(given.partition("://")[0] + "://", _REDIS_SCHEMES))


def name(value: object) -> str:
    """A word that may stand inside keys and file names."""
    given = text(value)
    if not _NAME.fullmatch(given):
        raise ValueError("give 1 to 64 letters, digits, dots, dashes or underscores")
    return given


def label(value: object) -> str:
    """A name of a queue or of a type: it goes into keys as it is, so nothing that a key's syntax knows."""
    given = text(value)
    if len(given.encode()) > 200 or re.search(r"[{}\x00-\x1f\x7f]", given):
        raise ValueError("give at most 200 bytes without braces or control characters")
    return given


def words(check: Reader[str]) -> Reader[tuple[str, ...]]:
    """A list, or text with commas between; each word is checked, none may be there twice."""

    def read(value: object) -> tuple[str, ...]:
        given = tuple(check(word) for word in _items(value))
        twice = next((word for word in given if given.count(word) > 1), None)
        if twice is not None:
            raise ValueError(f"{twice!r} is there twice")
        return given

    return read


def queues(check: Reader[str]) -> Reader[QueuePlan]:
    """Names in strict order (`a,b`, a list) or with weights (`a=3,b=1`, a mapping)."""
    weight = whole(1, 1000)

    def read(value: object) -> QueuePlan:
        if isinstance(value, Mapping):
            pairs: list[tuple[object, object]] = list(value.items())
        else:
            pairs = [_pair(item) for item in _items(value)]
        if not pairs:
            raise ValueError("give at least one queue")
        weighted = pairs[0][1] is not None
        if any((number is not None) is not weighted for _, number in pairs):
            raise ValueError("give every queue a weight (high=3,low=1) or none (strict order)")
        plan = {check(queue): weight(number) if weighted else 1 for queue, number in pairs}
        if len(plan) < len(pairs):
            raise ValueError("a queue is there twice")
        return QueuePlan(plan, weighted)

    return read


def whole(least: int, most: int) -> Reader[int]:
    """A whole number between two bounds, both allowed."""

    def read(value: object) -> int:
        if isinstance(value, str) and re.fullmatch(r"\s*[+-]?\d+\s*", value):
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            raise ValueError(f"give a whole number from {least} to {most}")
        return value

    return read


def unless(word: str, reader: Reader[T]) -> Reader[T | None]:
    """The reader's value, or `None` for one word that stands for it."""

    def read(value: object) -> T | None:
        if isinstance(value, str) and value.strip().lower() == word:
            return None
        try:
            return reader(value)
        except ValueError as error:
            raise ValueError(f"{error}, or {word!r}") from None

    return read


def seconds(least: float, most: float) -> Reader[float]:
    """A duration: a number of seconds, a `timedelta`, or text such as 25, 1.5s, 10m, 500ms."""
    remedy = f"give seconds from {least:g} to {most:g}, or a number with ms, s, m, h or d, such as 10m"

    def read(value: object) -> float:
        if isinstance(value, timedelta):
            value = value.total_seconds()
        elif isinstance(value, str):
            value = _measure(value, _SECONDS, "s", remedy)
        if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
            raise ValueError(remedy)
        return float(value)

    return read


def size(least: int, most: int) -> Reader[int]:
    """A size: a number of bytes, or text with a binary unit such as 512MiB. `512M` is refused: it is two numbers."""
    remedy = f"give bytes from {least} to {most}, or a number with KiB, MiB or GiB, such as 4MiB"

    def read(value: object) -> int:
        if isinstance(value, str):
            value = _measure(value, _BYTES, "B", remedy)
            value = int(value) if value == int(value) else value
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            raise ValueError(remedy)
        return value

    return read


def choice(*known: str) -> Reader[str]:
    """One of a few words, in any case."""

    def read(value: object) -> str:
        given = value.strip().lower() if isinstance(value, str) else ""
        if given not in known:
            raise ValueError(f"give one of {', '.join(known)}{closest(given, known)}")
        return given

    return read


def _items(value: object) -> Sequence[object]:
    if isinstance(value, str):
        return [word.strip() for word in value.split(",") if word.strip()]
    if isinstance(value, Sequence) and not isinstance(value, bytes):
        return [word for item in value for word in (_items(item) if isinstance(item, str) else [item])]
    raise ValueError("give a list, or a text with commas between")


def _pair(item: object) -> tuple[object, str | None]:
    if isinstance(item, str) and "=" in item:
        queue, _, number = item.partition("=")
        return queue.strip(), number
    return item, None


def _measure(given: str, units: Mapping[str, float], plain: str, remedy: str) -> float:
    found = _NUMBER_AND_UNIT.fullmatch(given)
    if found is None or (found[2] and found[2] not in units):
        raise ValueError(remedy)
    return float(found[1]) * units[found[2] or plain]
