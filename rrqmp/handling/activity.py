"""A function that is a handler: what the decorator returns."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, Generic, cast

from typing_extensions import TypeVar

from rrqmp.model.activity_type import ActivityType

P = TypeVar("P", default=Any)
R = TypeVar("R", default=Any)


class Activity(Generic[P, R]):
    """A registered function; called, it is the plain function, and nothing is queued.

    `declaration` is what submitters may name instead of it.
    """

    def __init__(self, function: Callable[..., Any], declaration: ActivityType[P, R]) -> None:
        self.function = function
        self.declaration = declaration
        functools.update_wrapper(self, function)

    @property
    def activity_type(self) -> str:
        """The name under which it is registered."""
        return self.declaration.name

    def __call__(self, *arguments: Any, **keywords: Any) -> R:
        return cast(R, self.function(*arguments, **keywords))

    def __repr__(self) -> str:
        return f"<Activity {self.activity_type!r} of {self.function.__qualname__}>"
