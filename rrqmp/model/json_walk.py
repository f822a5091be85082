"""Walks a value before it becomes JSON and finds what JSON would change or cannot hold.

Runs on every payload and result, so the loops test the exact type first and keep no path: the path is gathered while
a fault travels up.
"""

from __future__ import annotations

import datetime as dt
import decimal
import enum
import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Final

MAX_NESTING: Final = 100

_PLAIN: Final[frozenset[type]] = frozenset(
    {str, int, bool, type(None), dt.datetime, dt.date, dt.time, dt.timedelta, uuid.UUID,
     decimal.Decimal}
)  # fmt: skip
_OCTETS: Final = (bytes, bytearray, memoryview)
_AMBIGUOUS_KEYS: Final = (float, bool, *_OCTETS)
_SHOWN_STEPS: Final = 12


@dataclass(frozen=True, slots=True)
class Tolerance:
    """What a declared type brings back whole, beyond plain JSON."""

    octets: bool = False
    sets: bool = False
    any_key: bool = False


UNTYPED: Final = Tolerance()


@dataclass(slots=True, eq=False)
class Fault(Exception):
    """What is wrong, and the way to it, innermost step first."""

    reason: str
    steps: list[str] = field(default_factory=list)

    def where(self) -> str:
        """The path as Python would write it, after the name of the whole."""
        steps = self.steps[::-1]
        if len(steps) > _SHOWN_STEPS:
            steps[_SHOWN_STEPS // 2 : -_SHOWN_STEPS // 2] = ["..."]
        return "".join(steps)


class Walk:
    """One rule set over values; `bare` gives what stands for an object that JSON has no word for."""

    __slots__ = ("_allow_nan", "_bare", "_plain", "_tolerance")

    def __init__(self, tolerance: Tolerance, bare: Callable[[Any], Any], *, allow_nan: bool = False) -> None:
        self._tolerance = tolerance
        self._bare = bare
        self._allow_nan = allow_nan
        self._plain = _PLAIN

    def check(self, value: Any) -> None:
        """Raises `Fault` at the first thing that JSON would change or cannot hold."""
        if type(value) not in self._plain:
            self._check(value, 0)

    def find_surrogate(self, value: Any) -> str:
        """The path to the first text that UTF-8 cannot hold."""
        search = Walk(self._tolerance, self._bare, allow_nan=True)
        search._plain = _PLAIN - {str}
        try:
            search.check(value)
        except Fault as fault:
            return fault.where()
        return ""

    def _check(self, value: Any, depth: int) -> None:
        kind = type(value)
        if kind in self._plain:
            return
        if kind is float:
            self._check_float(value)
        elif isinstance(value, dict):
            self._check_dict(value, depth + 1)
        elif isinstance(value, list | tuple):
            self._check_items(value, depth + 1)
        else:
            self._check_object(value, depth + 1)

    def _check_float(self, value: float) -> None:
        # Infinity minus itself is NaN, and NaN equals nothing.
        if value - value != 0.0 and not self._allow_nan:
            raise Fault(f"{value} is not JSON; pass None, or declare the type with allow_nan=True")

    def _check_dict(self, value: dict[Any, Any], depth: int) -> None:
        self._check_depth(depth)
        plain = self._plain
        for key, item in value.items():
            if type(key) is not str or str not in plain:
                self._check_key(key)
            if type(item) not in plain:
                try:
                    self._check(item, depth)
                except Fault as fault:
                    fault.steps.append(f"[{key!r}]")
                    raise

    def _check_items(self, value: Iterable[Any], depth: int) -> None:
        self._check_depth(depth)
        plain = self._plain
        for item in value:
            kind = type(item)
            if kind in plain or (kind is float and item - item == 0.0):
                continue
            try:
                self._check(item, depth)
            except Fault as fault:
                place = next(index for index, other in enumerate(value) if other is item)
                fault.steps.append(f"[{place}]")
                raise

    def _check_key(self, key: Any) -> None:
        if isinstance(key, str):
            self._check_text(key)
        elif isinstance(key, _AMBIGUOUS_KEYS) and not self._tolerance.any_key:
            raise Fault(f"the key {key!r} would come back as text; use strings as keys")

    def _check_text(self, text: str) -> None:
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise Fault("a lone surrogate") from error

    def _check_object(self, value: Any, depth: int) -> None:
        self._check_depth(depth)
        if isinstance(value, _OCTETS):
            if not self._tolerance.octets:
                raise Fault("bytes are not JSON; encode them (base64), or declare a type that has them")
        elif isinstance(value, set | frozenset):
            if not self._tolerance.sets:
                raise Fault("a set is not JSON; pass a sorted list, or declare a type that has it")
            self._check_items(value, depth)
        elif isinstance(value, str):
            self._check_text(value)
        elif isinstance(value, enum.Enum):
            self._check(value.value, depth)
        elif (names := _field_names(value)) is not None:
            self._check_fields(value, names, depth)
        else:
            self._check_stand_in(value, depth)

    def _check_fields(self, value: Any, names: Iterable[str], depth: int) -> None:
        for name in names:
            try:
                self._check(getattr(value, name, None), depth)
            except Fault as fault:
                fault.steps.append(f".{name}")
                raise

    def _check_stand_in(self, value: Any, depth: int) -> None:
        try:
            stand_in = self._bare(value)
        except TypeError as error:
            raise Fault(str(error)) from error
        self._check(stand_in, depth)

    def _check_depth(self, depth: int) -> None:
        if depth > MAX_NESTING:
            raise Fault(f"nested more than {MAX_NESTING} deep (or inside itself); flatten it")


def _field_names(value: Any) -> Iterable[str] | None:
    kind = type(value)
    names: Iterable[str] | None = getattr(kind, "__struct_fields__", None) or getattr(
        kind, "__dataclass_fields__", None
    )
    if names is None and (described := getattr(kind, "__attrs_attrs__", None)) is not None:
        names = [attribute.name for attribute in described]
    return names
