"""What can be submitted: a name, a declaration, a handler, a decorated function; and what is known of each."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Any, NamedTuple, TypeAlias

from typing_extensions import TypeVar

from rrqmp.errors import ConfigurationError
from rrqmp.handling.activity import Activity
from rrqmp.handling.handler import ActivityHandler
from rrqmp.handling.registration import register
from rrqmp.model.activity_type import ActivityType
from rrqmp.model.codec import Codec, untyped
from rrqmp.model.names import check_activity_type

P = TypeVar("P", default=Any)
R = TypeVar("R", default=Any)

Target: TypeAlias = ActivityType[P, R] | type[ActivityHandler[P, R]] | ActivityHandler[P, R] | Activity[P, R]

_MOST_REMEMBERED = 10_000


class Resolved(NamedTuple):
    """A target as a submission needs it; `what` begins the message about a wrong payload."""

    activity_type: str
    payloads: Codec[Any]
    results: Codec[Any]
    is_typed: bool
    defaults: Mapping[str, Any]
    what: str


class Targets:
    """Remembers what it has resolved: the same few targets come again with every submission."""

    __slots__ = ("_known",)

    def __init__(self) -> None:
        self._known: dict[Any, Resolved] = {}

    def resolve(self, target: object) -> Resolved:
        """Raises `ConfigurationError` for what cannot be submitted."""
        # An instance may have any idea of equality; its class says all that is needed.
        wanted = type(target) if isinstance(target, ActivityHandler) else target
        try:
            return self._known[wanted]
        except KeyError:
            pass
        except TypeError:
            raise ConfigurationError(f"{target!r} is no activity: {_REMEDY}") from None
        resolved = _resolve(wanted)
        if len(self._known) >= _MOST_REMEMBERED:
            self._known.clear()
        self._known[wanted] = resolved
        return resolved


_REMEDY = "give its type's name, an ActivityType, a handler class or a function registered with @engine.activity"


def _resolve(target: object) -> Resolved:
    if isinstance(target, str | Enum):
        name = check_activity_type(target)
        return Resolved(name, untyped, untyped, is_typed=False, defaults={}, what=f"payload of {name!r}")
    declared = _declaration(target)
    is_typed = declared.payload_type is not Any
    name = declared.name
    codecs = declared.payload_codec, declared.result_codec
    return Resolved(name, *codecs, is_typed=is_typed, defaults=declared.defaults, what=f"payload of {name!r}")


def _declaration(target: object) -> ActivityType[Any, Any]:
    if isinstance(target, ActivityType):
        return target
    if isinstance(target, Activity):
        return target.declaration
    if not (isinstance(target, type) and issubclass(target, ActivityHandler)):
        raise ConfigurationError(f"{target!r} is no activity: {_REMEDY}")
    own = target.activity_type
    return own if isinstance(own, ActivityType) else register(None, target, {}).declaration()
