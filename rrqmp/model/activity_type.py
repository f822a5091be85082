"""A declaration of an activity without its implementation: for those who submit, and for the handler to name."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Generic, TypedDict, overload

from typing_extensions import TypeVar, Unpack

from rrqmp.errors import ConfigurationError
from rrqmp.model.codec import Codec, check_declarable
from rrqmp.model.names import check_activity_type, did_you_mean
from rrqmp.model.options import OnDuplicate, check_options
from rrqmp.model.priority import ActivityPriority

P = TypeVar("P", default=Any)
R = TypeVar("R", default=Any)


class SubmitDefaults(TypedDict, total=False):
    """Options that a declaration may hold for its submitters; one submission's own go before them."""

    priority: ActivityPriority | None
    delay: float | timedelta | None
    expires: float | timedelta | None
    on_duplicate: OnDuplicate | None
    key_ttl: float | timedelta | None
    result_ttl: float | timedelta | None


class ActivityType(Generic[P, R]):
    """Name, payload type and result type of an activity, with its submitters' defaults.

    Timeouts and retries are the handler's, since they are about how it runs. `allow_nan` stores NaN and infinities.
    """

    __slots__ = ("_codecs", "allow_nan", "defaults", "name", "payload_type", "result_type")

    @overload
    def __init__(
        self: ActivityType[Any, Any], name: str, /, *, allow_nan: bool = False, **defaults: Unpack[SubmitDefaults]
    ) -> None: ...

    @overload
    def __init__(
        self: ActivityType[P, Any],  # pyright: ignore[reportInvalidTypeVarUse]
        name: str,
        payload: type[P],
        /,
        *,
        allow_nan: bool = False,
        **defaults: Unpack[SubmitDefaults],
    ) -> None: ...

    @overload
    def __init__(
        self,
        name: str,
        payload: type[P],
        result: type[R],
        /,
        *,
        allow_nan: bool = False,
        **defaults: Unpack[SubmitDefaults],
    ) -> None: ...

    def __init__(
        self,
        name: str,
        payload: type[P] | None = None,
        result: type[R] | None = None,
        /,
        *,
        allow_nan: bool = False,
        **defaults: Unpack[SubmitDefaults],
    ) -> None:
        self.name = check_activity_type(name)
        self.payload_type: Any = Any if payload is None else payload
        self.result_type: Any = Any if result is None else result
        self.allow_nan = allow_nan
        check_declarable(self.payload_type, f"the payload type of {self.name!r}")
        check_declarable(self.result_type, f"the result type of {self.name!r}")
        for option in defaults:
            if option not in SubmitDefaults.__annotations__:
                raise ConfigurationError(
                    f"ActivityType({self.name!r}): no submit default {option!r}: "
                    f"{did_you_mean(option, SubmitDefaults.__annotations__)}; timeout and retries are the handler's"
                )
        unkeyed = {option: value for option, value in defaults.items() if option not in ("on_duplicate", "key_ttl")}
        check_options(unkeyed)
        if len(unkeyed) < len(defaults):
            check_options({**defaults, "key": "any"})
        self.defaults: Mapping[str, Any] = {key: value for key, value in defaults.items() if value is not None}
        self._codecs: tuple[Codec[P], Codec[R]] | None = None

    @property
    def payload_codec(self) -> Codec[P]:
        """Encodes payloads of this activity; made at first use, so that a declaration costs no start."""
        return self._made()[0]

    @property
    def result_codec(self) -> Codec[R]:
        """Decodes results of this activity."""
        return self._made()[1]

    def _made(self) -> tuple[Codec[P], Codec[R]]:
        if self._codecs is None:
            self._codecs = (
                Codec(self.payload_type, allow_nan=self.allow_nan),
                Codec(self.result_type, allow_nan=self.allow_nan),
            )
        return self._codecs

    def __repr__(self) -> str:
        return f"ActivityType({self.name!r}, {_named(self.payload_type)}, {_named(self.result_type)})"

    def __reduce__(self) -> tuple[Any, ...]:
        # Codecs hold decoders, which cannot be pickled; they are made again at first use.
        return _remade, (self.name, self.payload_type, self.result_type, self.allow_nan, dict(self.defaults))


def _remade(name: str, payload: Any, result: Any, allow_nan: bool, defaults: SubmitDefaults) -> ActivityType[Any, Any]:
    return ActivityType(name, payload, result, allow_nan=allow_nan, **defaults)


def _named(declared: Any) -> str:
    return declared.__name__ if isinstance(declared, type) else str(declared).removeprefix("typing.")
