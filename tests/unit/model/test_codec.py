"""JSON, strictly: nothing that would come back as something else is written."""

from __future__ import annotations

import datetime as dt
import pathlib
from dataclasses import dataclass, field
from enum import Enum, StrEnum
from typing import Any, TypedDict

import msgspec
import numpy as np
import pytest

from rrqmp.errors import ConfigurationError, InvalidPayload, PayloadTooLarge
from rrqmp.model.codec import Codec, check_declarable, decode, encode


class Colour(StrEnum):
    RED = "red"


class Level(Enum):
    HIGH = 3


@dataclass
class Job:
    path: str
    tags: set[str] = field(default_factory=set)
    blob: bytes = b""


@dataclass
class Loose:
    anything: Any


class Point(msgspec.Struct):
    x: float
    y: float = 0.0


class Row(TypedDict):
    a: int


class Model:
    """Looks like a pydantic model, as far as the codec looks."""

    def __init__(self, a: int) -> None:
        self.a = a

    def model_dump(self, *, mode: str) -> dict[str, int]:
        assert mode == "json"
        return {"a": self.a}

    @classmethod
    def model_validate(cls, value: dict[str, int]) -> Model:
        if value["a"] < 0:
            raise ValueError("a is negative")
        return cls(**value)


def nested(depth: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(depth - 1):
        value = [value]
    return value


@pytest.mark.parametrize(
    "value",
    [None, True, 0, 2**70, 1.5, "text", "", [], {}, {"a": [1, {"b": None}]}, "ünï\n\x00", nested(100)],
)
def test_plain_json_comes_back_as_it_was(value: Any) -> None:
    assert decode(encode(value)) == value


@pytest.mark.parametrize(
    ("value", "stored"),
    [
        ((1, 2), b"[1,2]"),
        (Colour.RED, b'"red"'),
        (Level.HIGH, b"3"),
        (pathlib.PurePosixPath("/a/b"), b'"/a/b"'),
        (Point(1.0), b'{"x":1.0,"y":0.0}'),
        (Model(1), b'{"a":1}'),
        ({1: 2}, b'{"1":2}'),
        (dt.date(2025, 1, 2), b'"2025-01-02"'),
        (np.float32(0.5), b"0.5"),
        (np.float64(0.5), b"0.5"),
        (np.int64(3), b"3"),
        (np.bool_(True), b"true"),
        ([np.str_("x")], b'["x"]'),
    ],
)
def test_common_values_have_a_plain_form(value: Any, stored: bytes) -> None:
    assert encode(value) == stored


@pytest.mark.parametrize(
    ("value", "path", "reason"),
    [
        ({"a": [1, float("nan")]}, r"payload\['a'\]\[1\]", "nan is not JSON"),
        ([1.0, float("inf")], r"payload\[1\]", "inf is not JSON"),
        (float("-inf"), "payload", "-inf is not JSON"),
        (np.float32("nan"), "payload", "nan is not JSON"),
        (Point(float("nan")), r"payload\.x", "nan is not JSON"),
        ({"b": {1, 2}}, r"payload\['b'\]", "a set is not JSON"),
        ([frozenset()], r"payload\[0\]", "a set is not JSON"),
        ({"raw": b"x"}, r"payload\['raw'\]", "bytes are not JSON"),
        ([bytearray(b"x")], r"payload\[0\]", "bytes are not JSON"),
        (Loose({1}), r"payload\.anything", "a set is not JSON"),
        ({b"k": 1}, "payload", "use strings as keys"),
        ({1.5: 1}, "payload", "use strings as keys"),
        ({"a": {"b\ud800": 1}}, r"payload\['a'\]", "lone surrogate"),
        (["ok", "\udfff"], r"payload\[1\]", "lone surrogate"),
        (nested(101), r"payload\[0\]", "nested more than 100 deep"),
        (np.zeros(3), "payload", r"ndarray is nothing that JSON can hold; call \.tolist\(\)"),
        ({"o": object()}, r"payload\['o'\]", "object is nothing that JSON can hold"),
        ({(1, 2): 3}, "payload", "tuple"),
        (iter([1]), "payload", "list_iterator"),
        (1 + 2j, "payload", "complex"),
    ],
)
def test_what_json_would_change_is_refused_with_path_and_remedy(value: Any, path: str, reason: str) -> None:
    with pytest.raises(InvalidPayload, match=f"{path}.*{reason}"):
        encode(value)


def test_a_value_inside_itself_is_refused() -> None:
    value: list[Any] = []
    value.append({"again": value})
    with pytest.raises(InvalidPayload, match="inside itself"):
        encode(value)


def test_a_declared_type_brings_sets_and_bytes_back_whole() -> None:
    codec = Codec(Job)
    job = Job("a.png", {"x"}, b"\x00\xff")
    assert codec.decode(codec.encode(job)) == job
    assert Codec(set[int]).decode(Codec(set[int]).encode({1, 2})) == {1, 2}


def test_a_declared_type_without_sets_still_refuses_them() -> None:
    with pytest.raises(InvalidPayload, match="a set is not JSON"):
        Codec(Loose).encode(Loose({1}))


def test_models_paths_and_numpy_scalars_are_rebuilt() -> None:
    assert Codec(Model).decode(b'{"a":4}').a == 4
    assert Codec(pathlib.Path).decode(b'"/tmp"') == pathlib.Path("/tmp")
    assert isinstance(Codec(np.float32).decode(b"1.5"), np.float32)


def test_what_does_not_fit_the_declared_type_names_the_path() -> None:
    with pytest.raises(InvalidPayload, match=r"Expected `str`, got `int` - at `\$\.path`"):
        Codec(Job).decode(b'{"path": 3}')
    with pytest.raises(InvalidPayload, match="a is negative"):
        Codec(Model).decode(b'{"a":-1}')


@pytest.mark.parametrize("stored", [b"", b"{", b"[" * 5000, b"\xff", b'"\xed\xa0\x80"'])
def test_foreign_bytes_are_an_error_of_ours(stored: bytes) -> None:
    with pytest.raises(InvalidPayload):
        decode(stored)


def test_nan_is_stored_where_the_type_allows_it() -> None:
    codec = Codec(list[float], allow_nan=True)
    first, second = codec.decode(codec.encode([float("nan"), float("inf")]))
    assert first != first
    assert second == float("inf")


def test_the_limit_is_named_with_the_size() -> None:
    with pytest.raises(PayloadTooLarge, match="result: 12 bytes of JSON, at most 11"):
        encode("x" * 10, limit=11, what="result")
    assert encode("x" * 9, limit=11) == b'"xxxxxxxxx"'


@pytest.mark.parametrize("declared", [Any, object, Job, Row, list[Job], dict[str, int], int | None, Model, np.float32])
def test_declarable_types_pass(declared: Any) -> None:
    check_declarable(declared, "the payload type")


@pytest.mark.parametrize("declared", [np.ndarray, list[type(iter([]))], dict[str, complex]])
def test_types_that_json_cannot_rebuild_are_refused_when_declared(declared: Any) -> None:
    with pytest.raises(ConfigurationError, match="the payload type is .* use a dataclass"):
        check_declarable(declared, "the payload type")
