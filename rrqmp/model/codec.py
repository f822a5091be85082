"""JSON, strictly: what would come back as something else is refused, with the path to it.

msgspec writes NaN as null, a set as a list and bytes as base64 without a word. Where the declared type says so they
come back whole, so they pass; elsewhere the other side would see a list or a string, so they are faults.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import PurePath
from typing import Any, Final, Generic, cast

import msgspec
from typing_extensions import TypeVar

from rrqmp.errors import ConfigurationError, InvalidPayload, PayloadTooLarge
from rrqmp.model.json_walk import UNTYPED, Fault, Tolerance, Walk

DEFAULT_LIMIT_BYTES: Final = 1 << 20

T = TypeVar("T", default=Any)


class Codec(Generic[T]):
    """Encodes and decodes one declared type; `Any` is whatever JSON holds.

    `allow_nan` stores NaN and the infinities as Python's `json` spells them; only another `allow_nan` codec reads it.
    """

    __slots__ = ("_decoder", "_encode", "_walk", "allow_nan", "declared")

    def __init__(self, declared: Any = Any, *, allow_nan: bool = False) -> None:
        if declared is object:
            declared = Any
        self.declared = declared
        self.allow_nan = allow_nan
        tolerance = UNTYPED if declared is Any else _tolerance(declared)
        self._walk = Walk(tolerance, bare, allow_nan=allow_nan)
        self._encode = _encode_with_nan if allow_nan else _encoder.encode
        self._decoder: msgspec.json.Decoder[Any] = msgspec.json.Decoder(declared, dec_hook=_rebuild)

    def encode(self, value: object, *, limit: int = DEFAULT_LIMIT_BYTES, what: str = "payload") -> bytes:
        """The value as one line of JSON; raises `InvalidPayload` with the path to the fault, or `PayloadTooLarge`."""
        try:
            self._walk.check(value)
            encoded = self._encode(value)
        except Fault as fault:
            raise InvalidPayload(f"{what}{fault.where()}: {fault.reason}") from None
        except UnicodeEncodeError:
            raise InvalidPayload(
                f"{what}{self._walk.find_surrogate(value)}: a lone surrogate; clean the text "
                "with .encode('utf-8', 'replace').decode()"
            ) from None
        except (TypeError, ValueError, RecursionError, OverflowError, msgspec.MsgspecError) as error:
            raise InvalidPayload(f"{what}: {error}") from error
        if len(encoded) > limit:
            raise PayloadTooLarge(
                f"{what}: {len(encoded)} bytes of JSON, at most {limit}; store the bulk elsewhere "
                "and pass its address, or raise payload_limit"
            )
        return encoded

    def decode(self, encoded: bytes, *, what: str = "payload") -> T:
        """The value of the declared type; raises `InvalidPayload` with the path to what does not fit."""
        try:
            return cast(T, self.reader(encoded))
        except (msgspec.MsgspecError, RecursionError, ValueError) as error:
            raise InvalidPayload(f"{what}: {error}") from error

    @property
    def reader(self) -> Callable[[bytes], Any]:
        """The bare decoding call, for the one place that makes it thousands of times a second."""
        return self._decode_with_nan if self.allow_nan else self._decoder.decode

    def _decode_with_nan(self, encoded: bytes) -> Any:
        return msgspec.convert(json.loads(encoded), self.declared, dec_hook=_rebuild)


def check_declarable(declared: Any, what: str) -> None:
    """Raises `ConfigurationError` if JSON cannot be decoded into the type."""
    if declared is Any or declared is object or declared is None:
        return
    try:
        strangers = _custom_types(declared)
        msgspec.json.Decoder(declared, dec_hook=_rebuild)
    except (TypeError, NameError) as error:
        raise ConfigurationError(f"{what} is {declared!r}, which cannot be decoded from JSON: {error}") from error
    for stranger in strangers:
        if not _can_rebuild(stranger):
            raise ConfigurationError(
                f"{what} is {declared!r}: JSON cannot be decoded into {stranger.__qualname__}; "
                "use a dataclass, a TypedDict, a msgspec Struct, a pydantic model or plain JSON types"
            )


def encode(value: object, *, limit: int = DEFAULT_LIMIT_BYTES, what: str = "payload") -> bytes:
    """As `Codec.encode`, of no declared type."""
    return untyped.encode(value, limit=limit, what=what)


def decode(encoded: bytes, declared: Any = Any) -> Any:
    """As `Codec.decode`; make a `Codec` where it happens often."""
    return (untyped if declared is Any else Codec(declared)).decode(encoded)


def bare(value: Any) -> Any:
    """What stands for a value that JSON has no word for: a numpy scalar's item, a path's text, a model's fields."""
    if isinstance(value, str):
        # A subclass may say something else when it is asked for its text.
        return str.__str__(value)
    for number in (int, float):
        if isinstance(value, number):
            return number(value)
    if callable(getattr(value, "item", None)) and getattr(value, "shape", None) == ():
        return value.item()
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if callable(getattr(value, "model_dump", None)):
        return value.model_dump(mode="json")
    hint = "; call .tolist()" if callable(getattr(value, "tolist", None)) else "; pass what JSON can hold"
    raise TypeError(f"{type(value).__qualname__} is nothing that JSON can hold{hint}")


def _rebuild(declared: type, value: Any) -> Any:
    if declared is object:
        return value
    if not _can_rebuild(declared):
        raise NotImplementedError(f"JSON cannot be decoded into {declared.__qualname__}")
    if hasattr(declared, "model_validate"):
        return declared.model_validate(value)
    return declared(value)


def _can_rebuild(declared: type) -> bool:
    if declared is object or hasattr(declared, "model_validate"):
        return True
    # A numpy scalar's class has both; an array's class has no value of its own to be made from.
    is_scalar = hasattr(declared, "dtype") and hasattr(declared, "item") and not hasattr(declared, "__setitem__")
    return is_scalar or issubclass(declared, PurePath)


def _encode_with_nan(value: object) -> bytes:
    plain = msgspec.to_builtins(value, enc_hook=bare)
    return json.dumps(plain, ensure_ascii=False, separators=(",", ":")).encode()


def _tolerance(declared: Any) -> Tolerance:
    """Which kinds the declared type brings back whole: those that are named somewhere in it."""
    from msgspec import inspect  # late: untyped clients never need it

    kinds = {type(node) for node in _type_nodes(declared)}
    return Tolerance(
        octets=not kinds.isdisjoint({inspect.BytesType, inspect.ByteArrayType, inspect.MemoryViewType}),
        sets=not kinds.isdisjoint({inspect.SetType, inspect.FrozenSetType}),
        any_key=inspect.DictType in kinds,
    )


def _custom_types(declared: Any) -> list[type]:
    from msgspec import inspect  # late: untyped clients never need it

    return [node.cls for node in _type_nodes(declared) if isinstance(node, inspect.CustomType)]


def _type_nodes(declared: Any) -> list[Any]:
    from msgspec import inspect  # late: untyped clients never need it

    found: dict[int, Any] = {}
    todo: list[Any] = [inspect.type_info(declared)]
    while todo:
        node = todo.pop()
        if isinstance(node, tuple):
            todo.extend(node)
        elif isinstance(node, inspect.Type | inspect.Field) and id(node) not in found:
            found[id(node)] = node
            todo.extend(getattr(node, name) for name in node.__struct_fields__)
    return list(found.values())


_encoder = msgspec.json.Encoder(enc_hook=bare)
untyped: Codec[Any] = Codec()
