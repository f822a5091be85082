"""Readers of single values: text from flags and environment, TOML's types and Python's own, into one plain form each.

A reader gets the value and the words for where it came from; it raises a `ValueError` (`ConfigurationError` is one)
that names both and says what to give instead.
"""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias, TypeVar

from rrqmp.model.names import nearest
from rrqmp.model.units import check_bytes, check_seconds, seconds_of_text

T = TypeVar("T")
Reader: TypeAlias = Callable[[object, str], T]

# Shorter ones can be guessed.
LEAST_KEY_BYTES: Final = 16
_NAME: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")
_APPLICATION: Final = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*(:[^\W\d]\w*(\.[^\W\d]\w*)*(\(\))?)?")
LOOPBACK: Final = "127.0.0.1"
_PORT_MOST: Final = 65535
_REDIS_SCHEMES: Final = ("redis://", "rediss://", "unix://", "embedded:")


@dataclass(frozen=True, slots=True)
class QueuePlan:
    """The queues in the order given; `weighted` says whether the numbers are weights or the order is strict."""

    weights: Mapping[str, int]
    weighted: bool


def closest(word: str, known: Sequence[str]) -> str:
    """A `did you mean` clause, empty where nothing is near."""
    near = nearest(word, known, 0.6)
    return f"; did you mean {near}?" if near else ""


def text(value: object, origin: str) -> str:
    """Any text but the empty one."""
    if isinstance(value, os.PathLike):
        value = os.fspath(value)
    if not isinstance(value, str) or not value.strip():
        raise _fault(value, origin, "give a text that is not empty")
    return value


def folder(value: object, origin: str) -> str:
    """A folder that exists."""
    path = text(value, origin)
    if not Path(path).is_dir():
        raise _fault(path, origin, "there is no such folder")
    return path


def application(value: object, origin: str) -> str:
    """`module`, `module:attribute` or `module:factory()`; what it names is found by the template, not here."""
    given = text(value, origin)
    path, _, attribute = given.partition(":")
    if path.endswith(".py") or os.sep in path:
        module = ".".join(part for part in Path(path).with_suffix("").parts if part not in (os.sep, ".", ".."))
        raise _fault(given, origin, f"that is a file; did you mean {module}{':' + attribute if attribute else ''}?")
    if not _APPLICATION.fullmatch(given):
        raise _fault(given, origin, "give module:attribute, such as thumbs:engine, or module:make() for a factory")
    return given


def key(value: object, origin: str) -> str:
    """A secret that cannot be guessed; no message ever shows it."""
    if isinstance(value, bytes):
        value = value.decode("utf-8", "surrogateescape")
    if not isinstance(value, str):
        raise ValueError(f"{origin} is a {type(value).__name__}: give a text")
    size = len(value.encode("utf-8", "surrogateescape"))
    if size < LEAST_KEY_BYTES:
        raise ValueError(
            f"{origin} has {size} bytes: give at least {LEAST_KEY_BYTES}, such as the output of "
            "python -c 'import secrets; print(secrets.token_hex(32))'"
        )
    return value


def redis_url(value: object, origin: str) -> str:
    """A text that starts as a Redis URL does; the store reads the rest of it."""
    given = text(value, origin)
    if given.startswith(_REDIS_SCHEMES):
        return given
    near = closest(given.partition("://")[0] + "://", _REDIS_SCHEMES)
    # A URL that is wrong in one place may hold a password in another.
    shown = "(a URL with a login)" if "@" in given else given
    raise _fault(shown, origin, f"give redis://HOST:PORT, rediss://HOST:PORT, unix:///PATH or embedded:{near}")


def name(value: object, origin: str) -> str:
    """A word that may stand inside keys and file names."""
    given = text(value, origin)
    if not _NAME.fullmatch(given):
        raise _fault(given, origin, "give 1 to 64 letters, digits, dots, dashes or underscores")
    return given


def listening_address(value: object, origin: str) -> str:
    """`HOST:PORT`, `:PORT` or a port alone on this host; `off` or nothing is the empty text. Only addresses in figures.

    A name would have to be looked up by whoever listens, which may take longer than that one may wait.
    """
    given = str(value).strip() if isinstance(value, str | int) and not isinstance(value, bool) else None
    if given in ("", "off"):
        return ""
    host, _, port = (given or "").rpartition(":")
    host = {"": LOOPBACK, "localhost": LOOPBACK}.get(host, host)
    if not port.isascii() or not port.isdigit() or int(port) > _PORT_MOST or not _is_address(host):
        raise _fault(value, origin, f"give an address in figures and a port, such as {LOOPBACK}:9464, or off")
    return f"{host}:{int(port)}"


def _is_address(host: str) -> bool:
    bracketed = host.startswith("[") and host.endswith("]")
    try:
        return ipaddress.ip_address(host[1:-1] if bracketed else host).version == (6 if bracketed else 4)
    except ValueError:
        return False


def words(check: Callable[[object], str]) -> Reader[tuple[str, ...]]:
    """A list, or text with commas between; each word is checked, none may be there twice."""

    def read(value: object, origin: str) -> tuple[str, ...]:
        given = tuple(_checked(check, word, origin) for word in _items(value, origin))
        if len(set(given)) < len(given):
            raise _fault(value, origin, "a name is there twice")
        return given

    return read


def queues(check: Callable[[object], str]) -> Reader[QueuePlan]:
    """Names in strict order (`a,b`, a list) or with weights (`a=3,b=1`, a mapping)."""
    weight = whole(1, 1000)

    def read(value: object, origin: str) -> QueuePlan:
        if isinstance(value, Mapping):
            pairs: list[tuple[object, object]] = list(value.items())
        else:
            pairs = [_pair(item) for item in _items(value, origin)]
        if not pairs:
            raise _fault(value, origin, "give at least one queue")
        weighted = pairs[0][1] is not None
        if any((number is not None) is not weighted for _, number in pairs):
            raise _fault(value, origin, "give every queue a weight (high=3,low=1) or none (strict order)")
        plan = {
            _checked(check, queue, origin): weight(number, f"{origin}, weight of {queue},") if weighted else 1
            for queue, number in pairs
        }
        if len(plan) < len(pairs):
            raise _fault(value, origin, "a queue is there twice")
        return QueuePlan(plan, weighted)

    return read


def whole(least: int, most: int) -> Reader[int]:
    """A whole number between two bounds, both allowed."""

    def read(value: object, origin: str) -> int:
        given = value
        if isinstance(given, str) and re.fullmatch(r"\s*[+-]?\d+\s*", given):
            given = int(given)
        if isinstance(given, bool) or not isinstance(given, int) or not least <= given <= most:
            raise _fault(value, origin, f"give a whole number from {least} to {most}")
        return given

    return read


def unless(word: str, reader: Reader[T]) -> Reader[T | None]:
    """The reader's value, or `None` for one word that stands for it."""

    def read(value: object, origin: str) -> T | None:
        if isinstance(value, str) and value.strip().lower() == word:
            return None
        try:
            return reader(value, origin)
        except ValueError as error:
            raise ValueError(f"{error}, or {word!r}") from None

    return read


def seconds(least: float, most: float) -> Reader[float]:
    """A duration: a number of seconds, a `timedelta`, or text such as 25, 1.5s, 10m, 500ms."""

    def read(value: object, origin: str) -> float:
        if isinstance(value, str):
            return seconds_of_text(value, origin, least=least, most=most)
        return check_seconds(value, origin, least=least, most=most)

    return read


def size(least: int, most: int) -> Reader[int]:
    """A size: a number of bytes, or text with a binary unit such as 512MiB."""

    def read(value: object, origin: str) -> int:
        given = check_bytes(value, origin, least=least)
        if given > most:
            raise _fault(value, origin, f"give at most {most} bytes")
        return given

    return read


def choice(*known: str) -> Reader[str]:
    """One of a few words, in any case."""

    def read(value: object, origin: str) -> str:
        given = value.strip().lower() if isinstance(value, str) else ""
        if given not in known:
            raise _fault(value, origin, f"give one of {', '.join(known)}{closest(given, known)}")
        return given

    return read


def _fault(value: object, origin: str, remedy: str) -> ValueError:
    shown = repr(value)
    return ValueError(f"{origin} is {shown if len(shown) <= 80 else shown[:77] + '...'}: {remedy}")


def _checked(check: Callable[[object], str], word: object, origin: str) -> str:
    try:
        return check(word)
    except ValueError as error:
        raise ValueError(f"{origin}: {error}") from None


def _items(value: object, origin: str) -> Sequence[object]:
    if isinstance(value, str):
        return [word.strip() for word in value.split(",") if word.strip()]
    if isinstance(value, Sequence) and not isinstance(value, bytes):
        return [word for item in value for word in (_items(item, origin) if isinstance(item, str) else [item])]
    raise _fault(value, origin, "give a list, or a text with commas between")


def _pair(item: object) -> tuple[object, str | None]:
    if isinstance(item, str) and "=" in item:
        queue, _, number = item.partition("=")
        return queue.strip(), number
    return item, None
