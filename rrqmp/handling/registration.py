"""One handler as the registry holds it: how to make it, what it takes and gives, its limits. Read in the script."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from types import CodeType
from typing import Any, Final, cast

from rrqmp.errors import ConfigurationError
from rrqmp.handling.activity import Activity
from rrqmp.handling.handler import ActivityHandler
from rrqmp.handling.limits import (
    HandlerOptions,
    Limits,
    check_limits,
    options_of_class,
    refuse_instance_options,
)
from rrqmp.handling.signature import Signature, generic_arguments, read_signature
from rrqmp.model.activity_type import ActivityType
from rrqmp.model.codec import check_declarable
from rrqmp.model.names import check_activity_type, snake_case
from rrqmp.model.retry import RetryPolicy
from rrqmp.model.spec import Spec

_NO_TYPES: Final = (Any, Any)


@dataclass(frozen=True, slots=True, kw_only=True)
class Registration:
    """One type's handler. `factory` makes an object with `handle` (and maybe `on_dead_letter`) once per worker."""

    activity_type: str
    factory: Callable[[], Any]
    timeout: float
    soft_timeout: float | None
    setup_timeout: float
    retry: RetryPolicy
    retry_on: tuple[type[BaseException], ...]
    non_retryable: tuple[type[BaseException], ...]
    payload_type: Any
    result_type: Any
    allow_nan: bool
    takes_context: bool
    is_async: bool
    code: CodeType | None
    origin: str

    def timeout_for(self, spec: Spec) -> float:
        """Seconds that one attempt may take: the submitter's wish, else the handler's."""
        return self.timeout if spec.timeout is None else spec.timeout

    @property
    def wants_dead_letter(self) -> bool:
        """Whether the handler has an `on_dead_letter` of its own; told without making it: that is user code."""
        return self._has_own("on_dead_letter")

    @property
    def wants_setup(self) -> bool:
        """Whether the handler has a `setup` of its own."""
        return self._has_own("setup")

    def _has_own(self, name: str) -> bool:
        holder = self.factory.instance if isinstance(self.factory, Ready) else self.factory
        method = getattr(holder, name, None)
        return method is not None and getattr(method, "__func__", method) is not getattr(ActivityHandler, name)

    def describe(self) -> dict[str, object]:
        """The limits and the origin, in plain values, for a report."""
        return {
            "activity_type": self.activity_type, "timeout": self.timeout, "soft_timeout": self.soft_timeout,
            "max_retries": self.retry.max_retries, "is_async": self.is_async, "origin": self.origin,
        }  # fmt: skip

    def declaration(self) -> ActivityType[Any, Any]:
        """What a submitter needs to know of it."""
        return ActivityType(self.activity_type, self.payload_type, self.result_type, allow_nan=self.allow_nan)


@dataclass(frozen=True, slots=True)
class Ready:
    """A factory for an instance that the application made: every worker has the template's copy."""

    instance: Any

    def __call__(self) -> Any:
        return self.instance


@dataclass(frozen=True, slots=True)
class FunctionHandler:
    """A function in the place of a handler."""

    handle: Callable[..., Any]

    def __call__(self) -> FunctionHandler:
        return self


def register(declared: object, handler: object, options: HandlerOptions) -> Registration:
    """Reads a handler in any of its forms; `declared` is a name, an `ActivityType` or `None` for the handler's own."""
    if isinstance(handler, Activity):
        options = cast("HandlerOptions", {**handler.options, **options})
        declared, handler = declared or handler.declaration, handler.function
    if isinstance(handler, type):
        return _register_class(declared, handler, handler, options)
    if isinstance(handler, ActivityHandler):
        origin = _origin(type(handler))
        refuse_instance_options(handler, origin)
        return _register_class(declared, type(handler), Ready(handler), options)
    if callable(handler):
        return _register_function(declared, handler, options)
    raise ConfigurationError(
        f"{handler!r} is no handler: give a subclass of ActivityHandler, one of its instances or a function"
    )


def _register_class(declared: object, kind: type, factory: Callable[[], Any], options: HandlerOptions) -> Registration:
    origin = _origin(kind)
    if not issubclass(kind, ActivityHandler):
        raise ConfigurationError(f"{origin} is no handler: derive it from ActivityHandler")
    if kind.handle is ActivityHandler.handle:
        raise ConfigurationError(f"{origin} has no handle(self, payload, context): write it")
    if factory is kind:
        _check_constructible(kind, origin)
    _check_takes(kind, "setup", ("worker",), origin)
    _check_takes(kind, "teardown", (), origin)
    name = declared if declared is not None else kind.activity_type
    if name is None:
        name = snake_case(kind.__name__)
    limits = check_limits({**options_of_class(kind, ActivityHandler), **options}, origin)
    signature = read_signature(
        kind.handle, origin, bound=not isinstance(inspect.getattr_static(kind, "handle"), staticmethod)
    )
    generic = generic_arguments(kind, ActivityHandler)
    return _assemble(name, factory, limits, signature, generic, _code(kind.handle), origin)


def _register_function(declared: object, function: Callable[..., Any], options: HandlerOptions) -> Registration:
    origin = _origin(function)
    if declared is None:
        declared = getattr(function, "__name__", "<lambda>")
        if declared == "<lambda>":
            raise ConfigurationError(f"{origin} has no name: register it as register_activity('name', function)")
    if options.get("setup_timeout") is not None:
        raise ConfigurationError(f"{origin}: setup_timeout is for a class with a setup(self, worker); leave it out")
    limits = check_limits(options, origin)
    signature = read_signature(function, origin, bound=False)
    return _assemble(declared, FunctionHandler(function), limits, signature, _NO_TYPES, _code(function), origin)


def _assemble(
    declared: object,
    factory: Callable[[], Any],
    limits: Limits,
    signature: Signature,
    generic: tuple[Any, ...],
    code: CodeType | None,
    origin: str,
) -> Registration:
    name, said = _name_and_types(declared, origin)
    if signature.is_async:
        # The loop is made in each worker; its modules are better imported once, in the template that asks for it.
        import asyncio  # noqa: F401
    payload = _agreed(
        "payload", (("ActivityType", said[0]), ("class", generic[0]), ("handle", signature.payload)), origin
    )
    result = _agreed("result", (("ActivityType", said[1]), ("class", generic[1]), ("handle", signature.result)), origin)
    check_declarable(payload, f"the payload type of {origin}")
    check_declarable(result, f"the result type of {origin}")
    return Registration(
        activity_type=name,
        factory=factory,
        timeout=limits.timeout,
        soft_timeout=limits.soft_timeout,
        setup_timeout=limits.setup_timeout,
        retry=limits.retry,
        retry_on=limits.retry_on,
        non_retryable=limits.non_retryable,
        payload_type=payload,
        result_type=result,
        allow_nan=isinstance(declared, ActivityType) and declared.allow_nan,
        takes_context=signature.takes_context,
        is_async=signature.is_async,
        code=code,
        origin=origin,
    )


def _name_and_types(declared: object, origin: str) -> tuple[str, tuple[Any, Any]]:
    if isinstance(declared, ActivityType):
        return declared.name, (declared.payload_type, declared.result_type)
    if not isinstance(declared, str | Enum):
        raise ConfigurationError(
            f"{origin}: activity_type is {declared!r}: give a string, a StrEnum or an ActivityType"
        )
    return check_activity_type(declared), _NO_TYPES


def _agreed(what: str, said: tuple[tuple[str, Any], ...], origin: str) -> Any:
    """The one type that all who say something agree on."""
    spoken = [(who, declared) for who, declared in said if declared is not Any]
    for who, declared in spoken[1:]:
        first, other = spoken[0]
        if declared != other:
            raise ConfigurationError(
                f"{origin}: its {what} type is {_spelled(other)} by its {first} and {_spelled(declared)} by its {who}; "
                "make them agree"
            )
    return spoken[0][1] if spoken else Any


def _check_constructible(kind: type, origin: str) -> None:
    if inspect.isabstract(kind):
        raise ConfigurationError(f"{origin} has abstract methods: register a class that implements them")
    try:
        inspect.signature(kind).bind()
    except TypeError as error:
        raise ConfigurationError(
            f"{origin} is made without arguments in each worker, and its __init__ wants them ({error}): "
            "register an instance, or give them defaults"
        ) from None


def _check_takes(kind: type, name: str, arguments: tuple[str, ...], origin: str) -> None:
    signature = inspect.signature(getattr(kind, name))
    bound = inspect.getattr_static(kind, name)
    itself = () if isinstance(bound, staticmethod | classmethod) else ("self",)
    try:
        signature.bind(*itself, *arguments)
    except TypeError:
        spelled = ", ".join(signature.parameters)
        wanted = ", ".join(("self", *arguments))
        raise ConfigurationError(f"{origin}: {name} takes ({spelled}): write {name}({wanted})") from None


def _code(function: Any) -> CodeType | None:
    return getattr(inspect.unwrap(function), "__code__", None)


def _origin(handler: Any) -> str:
    if isinstance(handler, type):
        code, name = _code(getattr(handler, "handle", None)), handler.__qualname__
    else:
        code, name = _code(handler), getattr(handler, "__qualname__", repr(handler))
    return f"{os.path.basename(code.co_filename)}:{code.co_firstlineno} {name}" if code else name


def _spelled(declared: Any) -> str:
    return declared.__qualname__ if isinstance(declared, type) else str(declared).removeprefix("typing.")
