"""What travels inside a parcel: a call, or how it ended. Nothing is unpickled here before its parcel was opened."""

from __future__ import annotations

import pickle
import traceback
from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from types import TracebackType
from typing import Any, Final

import cloudpickle  # type: ignore[import-untyped] # it ships no types
import msgspec

from rrqmp.errors import ActivityFailed, PayloadTooLarge

# Values of these very types are the same to every pickler, and the plain one is ten times as fast.
_PLAIN: Final = frozenset({type(None), bool, int, float, str, bytes})


class SentCall(msgspec.Struct, frozen=True, array_like=True):
    """A call: the pickled function with its arguments, and how often it may run again."""

    pickled: bytes
    max_retries: int = 0


class ReplyKind(StrEnum):
    """How a call ended.

    `told`: it raised what cannot be pickled. `too_large`: its result may not be sent. `unready`: the initializer
    failed, and it never ran.
    """

    RETURNED = "returned"
    RAISED = "raised"
    TOLD = "told"
    TOO_LARGE = "too_large"
    UNREADY = "unready"


class Reply(msgspec.Struct, frozen=True, array_like=True):
    """The end of a call. `pickled` is a value or an exception; `words` and `trace` are text for people."""

    kind: ReplyKind
    pickled: bytes = b""
    words: str = ""
    trace: str = ""


class RemoteTraceback(Exception):
    """The cause of an exception that was raised in a worker: its traceback there, as text."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text

    def __str__(self) -> str:
        return f'\n"""\n{self.text}"""'


def pickle_call(function: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]) -> bytes:
    """Raises whatever the pickling of the function or of an argument raises."""
    return dumps((function, tuple(args), dict(kwargs)))


def dumps(value: object) -> bytes:
    """Pickles by name what can be imported, by value what is defined in a script, a notebook or a function."""
    if type(value) in _PLAIN:
        return pickle.dumps(value, pickle.HIGHEST_PROTOCOL)
    pickled: bytes = cloudpickle.dumps(value)
    return pickled


def run_chunk(function: Callable[..., Any], chunk: list[tuple[Any, ...]]) -> list[Any]:
    """Several calls of one `map` in one activity; the first exception ends it."""
    return [function(*args) for args in chunk]


def reply_value(value: object) -> Reply:
    """Raises what the pickling of the value raises."""
    return Reply(ReplyKind.RETURNED, dumps(value))


def reply_error(error: BaseException) -> Reply:
    """The exception with its traceback; only its words where it cannot be pickled."""
    trace = _formatted(error)
    try:
        return Reply(ReplyKind.RAISED, dumps(error), _words(error), trace)
    except Exception:  # noqa: BLE001 - reducers of user objects raise what they like
        return Reply(ReplyKind.TOLD, b"", _words(error), trace)


def error_of(reply: Reply, what: str) -> BaseException:
    """The exception that a call raised, as its future gets it; the remote traceback is its cause."""
    if reply.kind is ReplyKind.TOO_LARGE:
        return PayloadTooLarge(f"{what}: {reply.words}")
    if reply.kind is ReplyKind.TOLD:
        error: BaseException = ActivityFailed(f"{what} raised {reply.words}, which cannot be pickled")
    else:
        error = _rebuilt(reply, what)
    error.__cause__ = RemoteTraceback(reply.trace)
    return error


def _rebuilt(reply: Reply, what: str) -> BaseException:
    try:
        error = pickle.loads(reply.pickled)
    except Exception as fault:  # noqa: BLE001 - an exception's own code runs: its constructor, its reducer
        return ActivityFailed(f"{what} raised {reply.words}; here it could not be made again: {_words(fault)}")
    if isinstance(error, BaseException):
        return error
    return ActivityFailed(f"{what} raised {reply.words}; here a {type(error).__name__} was made of it")


def _words(error: BaseException) -> str:
    name = type(error).__qualname__
    try:
        text = str(error)
    except Exception as second:  # noqa: BLE001 - user code
        text = f"<its str() raised {type(second).__name__}>"
    return _storable(f"{name}: {text}" if text else name)


def _formatted(error: BaseException) -> str:
    try:
        return _storable("".join(traceback.format_exception(type(error), error, _below_us(error.__traceback__))))
    except Exception as second:  # noqa: BLE001 - user code
        return f"<no traceback: formatting it raised {type(second).__name__}>"


def _below_us(trace: TracebackType | None) -> TracebackType | None:
    """Without the frames of this room, unless there are no others."""
    first = trace
    while first is not None and first.tb_frame.f_globals.get("__name__", "").startswith("rrqmp.pool."):
        first = first.tb_next
    return first or trace


def _storable(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode()
