"""How one invocation ended, as the worker gets it; what becomes of the activity is decided there."""

from __future__ import annotations

from typing import TypeAlias

import msgspec


class Returned(msgspec.Struct, frozen=True):
    """The handler's value, as JSON."""

    result: bytes


class Raised(msgspec.Struct, frozen=True, kw_only=True):
    """What stands in an attempt's record. `delay` in seconds is the handler's own wish; `where` is user code."""

    error: str
    message: str = ""
    traceback: str = ""
    where: str = ""
    retryable: bool = True
    delay: float | None = None
    result_repr: str = ""
    timed_out: bool = False


class Released(msgspec.Struct, frozen=True, kw_only=True):
    """The handler gives its activity back, uncounted; `checkpoint` is JSON, empty where there is none to store."""

    message: str = ""
    delay: float | None = None
    checkpoint: bytes = b""


Outcome: TypeAlias = Returned | Raised | Released
