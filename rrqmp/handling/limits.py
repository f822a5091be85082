"""The options of a handler: from class attributes or a decorator's keywords, checked, misspellings named."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final, TypedDict

from rrqmp.errors import ConfigurationError
from rrqmp.model.names import did_you_mean, nearest
from rrqmp.model.retry import RetryPolicy, check_max_retries
from rrqmp.model.units import check_seconds

DEFAULT_TIMEOUT_SECONDS: Final = 300.0
DEFAULT_SETUP_SECONDS: Final = 120.0
# Failures that another attempt will not mend; a handler that knows better lists them in retry_on.
DEFAULT_NON_RETRYABLE: Final = (PermissionError, FileNotFoundError, FileExistsError)


class HandlerOptions(TypedDict, total=False):
    """Keywords of a decorator or of `register_activity`; the class attributes of the same names mean the same."""

    timeout: float | timedelta | None
    soft_timeout: float | timedelta | None
    setup_timeout: float | timedelta | None
    max_retries: int | None
    retry: RetryPolicy | None
    retry_on: tuple[type[BaseException], ...]
    non_retryable: tuple[type[BaseException], ...]


NAMES: Final = tuple(HandlerOptions.__annotations__)
# Words of a later version: taking them in silence would promise what nobody does yet.
RESERVED: Final = ("memory_limit",)
_LIKENESS: Final = 0.8


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """A handler's checked options; durations in seconds, memory in bytes. `retry` holds the number of retries too."""

    timeout: float = DEFAULT_TIMEOUT_SECONDS
    soft_timeout: float | None = None
    setup_timeout: float = DEFAULT_SETUP_SECONDS
    retry: RetryPolicy = field(default_factory=RetryPolicy)
    retry_on: tuple[type[BaseException], ...] = ()
    non_retryable: tuple[type[BaseException], ...] = ()


def check_limits(options: Mapping[str, Any], origin: str) -> Limits:
    """Checks values and names; raises `ConfigurationError` naming the handler, the value and the remedy."""
    for name in options:
        if name not in NAMES:
            raise ConfigurationError(f"{origin}: no option {name!r}: {did_you_mean(name, NAMES)}")
    given = {name: value for name, value in options.items() if value is not None}
    try:
        return _checked(given)
    except ConfigurationError as error:
        raise ConfigurationError(f"{origin}: {error}") from None


def options_of_class(handler: type, top: type) -> dict[str, Any]:
    """The options that the class and its ancestors below `top` set; near misses and later words are faults."""
    options: dict[str, Any] = {}
    for parent in reversed(handler.__mro__):
        if parent in top.__mro__:
            continue
        for name, value in vars(parent).items():
            if name in NAMES:
                options[name] = value
            else:
                _refuse_near_miss(name, parent)
    return options


def refuse_instance_options(instance: object, origin: str) -> None:
    """An option set on an instance would be read by nobody."""
    for name in getattr(instance, "__dict__", ()):
        if name in NAMES:
            raise ConfigurationError(f"{origin}: {name} is set on the instance; options are read from the class")


def _refuse_near_miss(name: str, owner: type) -> None:
    if name.startswith("_"):
        return
    where = f"{owner.__module__}.{owner.__qualname__}"
    if name in RESERVED:
        raise ConfigurationError(f"{where}.{name}: not in this version, and nothing would heed it; rename or remove it")
    words = (*NAMES, "activity_type", "on_dead_letter", "setup", "teardown")
    meant = None if name in words else nearest(name, words, _LIKENESS)
    if meant:
        raise ConfigurationError(f"{where}.{name} is no option: did you mean '{meant}'? Else rename it")


def _checked(given: Mapping[str, Any]) -> Limits:
    retry = given.get("retry", RetryPolicy())
    if not isinstance(retry, RetryPolicy):
        raise ConfigurationError(f"retry is {retry!r}: give a RetryPolicy")
    if "max_retries" in given:
        most = check_max_retries(given["max_retries"])
        if "retry" in given and retry.max_retries not in (most, RetryPolicy().max_retries):
            raise ConfigurationError(f"max_retries is {most} and retry says {retry.max_retries}: give one")
        retry = RetryPolicy(most, retry.base, retry.cap, retry.jitter)
    timeout = check_seconds(given.get("timeout", DEFAULT_TIMEOUT_SECONDS), "timeout")
    soft = check_seconds(given["soft_timeout"], "soft_timeout") if "soft_timeout" in given else None
    if soft is not None and soft >= timeout:
        raise ConfigurationError(
            f"soft_timeout is {soft:g} s and timeout {timeout:g} s: the soft limit must come first, or nobody hears it"
        )
    return Limits(
        timeout=timeout,
        soft_timeout=soft,
        setup_timeout=check_seconds(given.get("setup_timeout", DEFAULT_SETUP_SECONDS), "setup_timeout"),
        retry=retry,
        retry_on=_check_kinds(given.get("retry_on", ()), "retry_on"),
        non_retryable=_check_kinds(given.get("non_retryable", ()), "non_retryable"),
    )


def _check_kinds(value: Any, name: str) -> tuple[type[BaseException], ...]:
    kinds = (value,) if isinstance(value, type) else value
    try:
        kinds = tuple(kinds)
    except TypeError:
        kinds = (value,)
    for kind in kinds:
        if not (isinstance(kind, type) and issubclass(kind, BaseException)):
            raise ConfigurationError(f"{name} holds {kind!r}: give exception classes")
    return kinds
