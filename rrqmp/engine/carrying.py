"""Sends an application by value, from a REPL, a notebook or a function: where there is nothing to import it from."""

from __future__ import annotations

import inspect
import os
import sys
import tempfile
import typing
from collections.abc import Callable, Iterator
from typing import Any, Final, get_args

from rrqmp.errors import ConfigurationError
from rrqmp.handling.application import Application
from rrqmp.handling.registration import FunctionHandler, Ready, Registration

_MSGSPEC_CACHE: Final = "__msgspec_cache__"
_SHOWN_NAME: Final = "rrqmp-application"


def carry(application: Application) -> int:
    """A descriptor of an unnamed file that holds the application; the caller closes it.

    Raises `ConfigurationError` naming the handler, and the global, that cannot travel.
    """
    # Late: most engines are imported by name and never need it.
    import cloudpickle  # type: ignore[import-untyped] # it ships no types

    for registration in application.registry:
        make_portable(registration.payload_type)
        make_portable(registration.result_type)
    for value in list(vars(sys.modules["__main__"]).values()):
        if isinstance(value, type):
            make_portable(value)
    try:
        content = cloudpickle.dumps(application)
    except Exception as error:
        raise ConfigurationError(_blame(application, cloudpickle.dumps, error)) from error
    return unnamed_file(content)


def make_portable(declared: Any) -> None:
    """Makes the classes that go by value and that the type is made of mean the same in another process.

    Annotations kept as text would be read in the worker's `__main__`, where none of their names mean anything; and
    what msgspec remembers in a class cannot be pickled, and is made again when it is missed.
    """
    for kind in _own_classes(declared, set()):
        if _MSGSPEC_CACHE in vars(kind):
            delattr(kind, _MSGSPEC_CACHE)
        annotations = inspect.get_annotations(kind)
        if any(isinstance(annotation, str) for annotation in annotations.values()):
            try:
                resolved = typing.get_type_hints(kind, include_extras=True)
            except (NameError, TypeError):
                # Nobody decodes into it, else its registration would have failed.
                continue
            kind.__annotations__ = {name: resolved.get(name, said) for name, said in annotations.items()}


def _own_classes(declared: Any, seen: set[int]) -> Iterator[type]:
    if id(declared) in seen:
        return
    seen.add(id(declared))
    for argument in get_args(declared):
        yield from _own_classes(argument, seen)
    if not isinstance(declared, type) or not _goes_by_value(declared):
        return
    yield declared
    try:
        hints = typing.get_type_hints(declared)
    except (NameError, TypeError):
        return
    for hint in hints.values():
        yield from _own_classes(hint, seen)


def _goes_by_value(kind: type) -> bool:
    return kind.__module__ == "__main__" or "<locals>" in kind.__qualname__


def unnamed_file(content: bytes) -> int:
    """A descriptor of a file that no other process can open by a name; the caller closes it."""
    descriptor = _open_unnamed()
    with os.fdopen(os.dup(descriptor), "wb") as file:
        file.write(content)
    return descriptor


def _open_unnamed() -> int:
    if hasattr(os, "memfd_create"):
        return os.memfd_create(_SHOWN_NAME, os.MFD_CLOEXEC)
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())


def _blame(application: Application, dumps: Callable[[object], bytes], error: Exception) -> str:
    for registration in application.registry:
        if _travels(dumps, registration):
            continue
        names = ", ".join(_stuck_globals(registration, dumps))
        because = f"its global {names} cannot be sent" if names else str(error)
        return (
            f"{registration.origin} cannot be sent to the workers from here: {because}; "
            "make it inside the handler, or put the engine into a module and start that"
        )
    return f"the engine's metrics or settings cannot be sent to the workers from here: {error}"


def _stuck_globals(registration: Registration, dumps: Callable[[object], bytes]) -> Iterator[str]:
    factory = registration.factory
    holder = factory.handle if isinstance(factory, FunctionHandler) else None
    if holder is None:
        instance = factory.instance if isinstance(factory, Ready) else factory
        holder = getattr(instance, "handle", None)
    function = getattr(holder, "__func__", holder)
    code = getattr(function, "__code__", None)
    values = getattr(function, "__globals__", {})
    for name in code.co_names if code else ():
        if name in values and not _travels(dumps, values[name]):
            yield name


def _travels(dumps: Callable[[object], bytes], value: object) -> bool:
    try:
        dumps(value)
    except Exception:  # noqa: BLE001 - reducers of user objects raise what they like
        return False
    return True
