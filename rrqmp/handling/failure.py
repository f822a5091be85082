"""Turns an exception of user code into the text of a record, without trusting one method of it."""

from __future__ import annotations

import os
import reprlib
import sysconfig
import traceback
from types import CodeType, TracebackType
from typing import Any, Final

import msgspec

from rrqmp.errors import ConfigurationError, InvalidPayload, NonRetry, Release, Retry, SoftTimeout
from rrqmp.handling.checkpoints import encode_checkpoint
from rrqmp.handling.limits import DEFAULT_NON_RETRYABLE
from rrqmp.handling.outcome import Raised, Released
from rrqmp.handling.registration import Registration
from rrqmp.model.attempt import MAX_TEXT
from rrqmp.model.units import check_seconds

_OWN_FOLDER: Final = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep
_LIBRARY_FOLDERS: Final = tuple(
    {sysconfig.get_path(name) + os.sep for name in ("stdlib", "platstdlib", "purelib", "platlib")}
)
_SHOWN_FRAMES: Final = 40


def outcome_of(error: BaseException, registration: Registration) -> Raised | Released:
    """What a handler raised: `Release` gives the activity back, anything else is a failure."""
    if not isinstance(error, Release):
        return failure_of(error, registration)
    try:
        delay = None if error.delay is None else check_seconds(error.delay, "the delay of Release", least=0.0)
        checkpoint = b"" if error.checkpoint is None else encode_checkpoint(error.checkpoint)
    except (ConfigurationError, InvalidPayload) as fault:
        # Released all the same its state would be lost without a word; an attempt is charged for it.
        return msgspec.structs.replace(failure_of(error, registration), message=clean_text(f"Release: {fault}"))
    return Released(message=clean_text(_words(error)), delay=delay, checkpoint=checkpoint)


def failure_of(error: BaseException, registration: Registration) -> Raised:
    """The record of an exception that a handler raised: its words, the user's frames, whether to try again."""
    below_us = _user_traceback(error.__traceback__)
    delay, complaint = _wished_delay(error)
    return Raised(
        error=_name(error),
        message=clean_text(_words(error) + complaint),
        traceback=clean_text(_formatted(error, below_us)),
        where=clean_text(_where(below_us, registration.code)),
        retryable=is_retryable(error, registration),
        delay=delay,
        timed_out=isinstance(error, SoftTimeout),
    )


def is_retryable(error: BaseException, registration: Registration) -> bool:
    """`NonRetry` and `Retry` say it themselves; then the handler's lists; then the error's own `is_retryable`.

    By default all but hopeless OSErrors are tried again.
    """
    if isinstance(error, NonRetry):
        return False
    if isinstance(error, Retry | Release):
        return True
    if isinstance(error, registration.non_retryable):
        return False
    if isinstance(error, SoftTimeout):
        # As for the hard limit: a handler's list of exceptions is not about time.
        return True
    if registration.retry_on:
        return isinstance(error, registration.retry_on)
    said = _own_word(error)
    return said if said is not None else not isinstance(error, DEFAULT_NON_RETRYABLE)


def _own_word(error: BaseException) -> bool | None:
    """What the error says of itself by an attribute or method `is_retryable`; `None` where it says nothing usable."""
    try:
        said = getattr(error, "is_retryable", None)
        return None if said is None else bool(said() if callable(said) else said)
    except BaseException:
        return None


def clean_text(text: str) -> str:
    """At most 8 KiB of it, head and tail, in characters that JSON can hold."""
    if len(text) > MAX_TEXT:
        text = (
            f"{text[: MAX_TEXT // 4]}\n... {len(text) - MAX_TEXT} characters left out ...\n{text[-MAX_TEXT * 3 // 4 :]}"
        )
    return text.encode("utf-8", "backslashreplace").decode()


def short_repr(value: object) -> str:
    """The value's `repr`, bounded before it is made and never failing."""
    shortener = reprlib.Repr()
    shortener.maxlist = shortener.maxtuple = shortener.maxdict = shortener.maxset = shortener.maxfrozenset = 50
    shortener.maxstring = shortener.maxlong = 1000
    shortener.maxother = MAX_TEXT
    try:
        return clean_text(shortener.repr(value))[:MAX_TEXT]
    except BaseException as error:
        return f"<{type(value).__name__}, whose repr raised {type(error).__name__}>"


def _name(error: BaseException) -> str:
    kind = type(error)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def _words(error: BaseException) -> str:
    try:
        return str(error)
    except BaseException as second:
        return f"<its str() raised {type(second).__name__}>"


def _formatted(error: BaseException, below_us: TracebackType | None) -> str:
    try:
        return "".join(traceback.format_exception(type(error), error, below_us, limit=-_SHOWN_FRAMES))
    except BaseException as second:
        return f"<no traceback: formatting it raised {type(second).__name__}>"


def _wished_delay(error: BaseException) -> tuple[float | None, str]:
    if not isinstance(error, Retry) or error.delay is None:
        return None, ""
    try:
        return check_seconds(error.delay, "the delay of Retry", least=0.0), ""
    except ConfigurationError as fault:
        return None, f" [{fault}; the policy's delay is taken]"


def _user_traceback(trace: TracebackType | None) -> TracebackType | None:
    """Without our own frames, which come first and tell a user nothing; all of it if there are no others."""
    first = trace
    while first is not None and first.tb_frame.f_code.co_filename.startswith(_OWN_FOLDER):
        first = first.tb_next
    return first or trace


def _where(trace: TracebackType | None, own: CodeType | None) -> str:
    """The last line that belongs to the application: in its own files, else wherever the exception was raised."""
    own_folder = os.path.dirname(own.co_filename) + os.sep if own else ""
    last = chosen = None
    while trace is not None:
        last = trace
        file = trace.tb_frame.f_code.co_filename
        if _is_application(file, own_folder):
            chosen = trace
        trace = trace.tb_next
    return _spelled(chosen or last)


def _is_application(file: str, own_folder: str) -> bool:
    if own_folder and file.startswith(own_folder):
        return True
    return not file.startswith((*_LIBRARY_FOLDERS, _OWN_FOLDER, "<frozen"))


def _spelled(trace: Any) -> str:
    if trace is None:
        return ""
    code = trace.tb_frame.f_code
    return f"{os.path.basename(code.co_filename)}:{trace.tb_lineno} {code.co_name}"
