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


Outcome: TypeAlias = Returned | Raised
