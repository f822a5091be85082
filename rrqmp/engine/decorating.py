"""The types of `@engine.activity`: payload and result are read off the function, coroutines first.

A coroutine function fits the plain form too, as one whose result is a coroutine: hence the overlaps.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, Protocol, TypeVar, overload

from rrqmp.handling.activity import AsyncActivity, PlainActivity
from rrqmp.handling.context import ActivityContext

P = TypeVar("P")
R = TypeVar("R")


class ActivityDecorator(Protocol):
    """What `@engine.activity(...)` puts around a function."""

    @overload
    def __call__(self, function: Callable[[P], Coroutine[Any, Any, R]], /) -> AsyncActivity[P, R]: ...  # type: ignore[overload-overlap]

    @overload
    def __call__(  # type: ignore[overload-overlap]
        self, function: Callable[[P, ActivityContext[Any]], Coroutine[Any, Any, R]], /
    ) -> AsyncActivity[P, R]: ...

    @overload
    def __call__(self, function: Callable[[P], R], /) -> PlainActivity[P, R]: ...

    @overload
    def __call__(self, function: Callable[[P, ActivityContext[Any]], R], /) -> PlainActivity[P, R]: ...
