"""What a handler's function takes and gives, read at registration: in the script, where the names mean something."""

from __future__ import annotations

import inspect
import sys
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import FrameType
from typing import Any, Final, get_args, get_origin

from rrqmp.errors import ConfigurationError

_POSITIONAL: Final = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
_UNSAID: Final = inspect.Parameter.empty


@dataclass(frozen=True, slots=True)
class Signature:
    """`payload` and `result` are types, `Any` where nothing is said; `None` as a result is `type(None)`."""

    payload: Any
    result: Any
    takes_context: bool
    is_async: bool


def read_signature(function: Callable[..., Any], origin: str, *, bound: bool) -> Signature:
    """Reads a function, or a method with `self` left out; raises `ConfigurationError` where it cannot be called."""
    parameters = list(inspect.signature(function).parameters.values())
    if bound:
        parameters = parameters[1:]
    required = [p for p in parameters if p.default is _UNSAID and p.kind in (*_POSITIONAL, p.KEYWORD_ONLY)]
    takes_any_number = any(p.kind is p.VAR_POSITIONAL for p in parameters)
    positional = [p for p in parameters if p.kind in _POSITIONAL]
    if not takes_any_number and not positional:
        raise ConfigurationError(f"{origin} takes no payload: write (payload) or (payload, context)")
    if len(required) > 2 or any(p.kind is p.KEYWORD_ONLY for p in required):
        names = ", ".join(p.name for p in required)
        raise ConfigurationError(f"{origin} requires ({names}): a handler is called with (payload, context)")
    payload = _resolve(function, positional[0].annotation, "payload", origin) if positional else Any
    unwrapped = inspect.unwrap(function)
    if inspect.isgeneratorfunction(unwrapped) or inspect.isasyncgenfunction(unwrapped):
        raise ConfigurationError(f"{origin} yields: a handler returns one value; collect them into a list")
    is_async = inspect.iscoroutinefunction(unwrapped)
    result = _resolve(function, inspect.signature(unwrapped).return_annotation, "result", origin)
    return Signature(
        payload=payload,
        result=result if is_async else _awaited(result),
        # A defaulted second parameter is the function's own business, unless it is plainly meant for the context.
        takes_context=takes_any_number or _second_is_context(positional, required),
        is_async=is_async,
    )


def generic_arguments(handler: type, generic: type) -> tuple[Any, ...]:
    """What the class says in `class Thumbnail(ActivityHandler[Job, Thumb])`, through any ancestors; `Any` if unsaid."""
    unsaid = tuple(Any for _ in generic.__parameters__)  # type: ignore[attr-defined]
    return _arguments(handler, generic) or unsaid


def _arguments(handler: type, generic: type) -> tuple[Any, ...] | None:
    for parent in getattr(handler, "__orig_bases__", ()):
        origin = get_origin(parent)
        if origin is generic:
            return tuple(_defaulted(argument) for argument in get_args(parent))
        if isinstance(origin, type) and issubclass(origin, generic):
            inner = _raw_arguments(origin, generic)
            given = dict(zip(origin.__parameters__, get_args(parent), strict=False))  # type: ignore[attr-defined]
            return tuple(_defaulted(given.get(argument, argument)) for argument in inner)
    for base in handler.__bases__:
        if issubclass(base, generic) and base is not generic and (found := _arguments(base, generic)):
            return found
    return None


def _raw_arguments(handler: type, generic: type) -> tuple[Any, ...]:
    for parent in getattr(handler, "__orig_bases__", ()):
        origin = get_origin(parent)
        if origin is generic:
            return get_args(parent)
        if isinstance(origin, type) and issubclass(origin, generic):
            given = dict(zip(origin.__parameters__, get_args(parent), strict=False))  # type: ignore[attr-defined]
            return tuple(given.get(argument, argument) for argument in _raw_arguments(origin, generic))
    return generic.__parameters__  # type: ignore[attr-defined, no-any-return]


def _defaulted(argument: Any) -> Any:
    return Any if hasattr(argument, "__constraints__") else argument


def _second_is_context(positional: list[inspect.Parameter], required: list[inspect.Parameter]) -> bool:
    if len(positional) < 2:
        return False
    second = positional[1]
    return second in required or second.name in ("context", "ctx")


def _awaited(result: Any) -> Any:
    """A plain function annotated as returning a coroutine gives what the coroutine gives."""
    origin = get_origin(result)
    if isinstance(origin, type) and issubclass(origin, typing.Awaitable):
        return get_args(result)[-1] if get_args(result) else Any
    return result


def _resolve(function: Callable[..., Any], annotation: Any, what: str, origin: str) -> Any:
    if annotation is _UNSAID or annotation is object:
        return Any
    if annotation is None:
        return type(None)
    if isinstance(annotation, str):
        try:
            annotation = eval(annotation, *_namespaces(function))
        except Exception as error:
            raise ConfigurationError(
                f"{origin}: its {what} is annotated {annotation!r}, which means nothing where it is registered "
                f"({error}); import it outside TYPE_CHECKING, or declare it: ActivityType(name, Payload, Result)"
            ) from None
        return _resolve(function, annotation, what, origin)
    return Any if isinstance(annotation, typing.TypeVar) else annotation


def _namespaces(function: Callable[..., Any]) -> tuple[dict[str, Any], Mapping[str, Any]]:
    """Globals of the function and, if it was made inside another one, the names that its callers there see."""
    function = inspect.unwrap(function)
    module_names: dict[str, Any] = getattr(function, "__globals__", {})
    visible: dict[str, Any] = {}
    if "<locals>" in getattr(function, "__qualname__", ""):
        frame: FrameType | None = sys._getframe(1)
        while frame is not None:
            if frame.f_globals is module_names:
                visible = {**frame.f_locals, **visible}
            frame = frame.f_back
    return module_names, visible
