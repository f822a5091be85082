"""A function that is a handler: what the decorator returns."""

from __future__ import annotations

import functools
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, Generic, cast

from typing_extensions import TypeVar

from rrqmp.handling.context import ActivityContext
from rrqmp.model.activity_type import ActivityType

P = TypeVar("P", default=Any)
R = TypeVar("R", default=Any)


class Activity(Generic[P, R]):
    """A registered function; `declaration` is what submitters may name instead of it, `options` its decorator's."""

    def __init__(
        self, function: Callable[..., Any], declaration: ActivityType[P, R], options: Mapping[str, Any] | None = None
    ) -> None:
        self.function = function
        self.declaration = declaration
        # Registered once more, with another engine or with a runner, it has the same limits.
        self.options: Mapping[str, Any] = options or {}
        functools.update_wrapper(cast("Callable[..., Any]", self), function)

    @property
    def activity_type(self) -> str:
        """The name under which it is registered."""
        return self.declaration.name

    def __repr__(self) -> str:
        return f"<Activity {self.activity_type!r} of {getattr(self.function, '__qualname__', self.function)}>"


class PlainActivity(Activity[P, R]):
    """Called, it is the plain function, and nothing is queued."""

    def __call__(self, payload: P, *context: ActivityContext[Any]) -> R:
        return cast(R, self.function(payload, *context))


class AsyncActivity(Activity[P, R]):
    """Called, it is the `async def`, and nothing is queued."""

    def __call__(self, payload: P, *context: ActivityContext[Any]) -> Coroutine[Any, Any, R]:
        return cast("Coroutine[Any, Any, R]", self.function(payload, *context))
