"""Names, durations, sizes and ids: what passes, and what the error says about what does not."""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum

import pytest

from rrqmp.errors import ConfigurationError
from rrqmp.model.ids import is_activity_id, new_activity_id
from rrqmp.model.names import MAX_NAME_BYTES, check_activity_type, check_queue_name, did_you_mean, nearest, snake_case
from rrqmp.model.units import bytes_of_text, check_bytes, check_seconds, seconds_of_text


class Kind(StrEnum):
    RENDER = "render"


@pytest.mark.parametrize("name", ["send_email", "user.registration", "email-notification", "größe", "a b", "x" * 64])
def test_ordinary_names_pass_unchanged(name: str) -> None:
    assert check_activity_type(name) == name
    assert check_queue_name(name) == name


def test_a_str_enum_becomes_a_plain_string() -> None:
    assert type(check_activity_type(Kind.RENDER)) is str


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("", "empty"),
        ("a{b}", "braces"),
        ("a\nb", "control characters"),
        ("a\x1fb", "control characters"),
        ("a\ud800", "control characters"),
        (" a", "spaces"),
        ("x" * (MAX_NAME_BYTES + 1), "at most 64"),
        ("ß" * 33, "66 bytes"),
        (3, "give a string"),
        (None, "give a string"),
    ],
)
def test_wrong_names_are_refused_with_the_reason(name: object, reason: str) -> None:
    with pytest.raises(ConfigurationError, match=reason):
        check_queue_name(name)
    with pytest.raises(ConfigurationError, match=reason):
        check_activity_type(name)


def test_a_star_is_no_activity_type_since_it_stands_for_all() -> None:
    with pytest.raises(ConfigurationError, match="all types"):
        check_activity_type("*")


@pytest.mark.parametrize(
    ("class_name", "expected"),
    [
        ("Thumbnail", "thumbnail"),
        ("SendEmail", "send_email"),
        ("ParseHTMLPage", "parse_html_page"),
        ("V2Job", "v2_job"),
    ],
)
def test_class_names_become_snake_case(class_name: str, expected: str) -> None:
    assert snake_case(class_name) == expected


def test_a_near_miss_is_named_and_a_stranger_is_not() -> None:
    assert nearest("timout", ["timeout", "retry"]) == "timeout"
    assert nearest("model", ["timeout", "retry"]) is None
    assert did_you_mean("zzz", ["b", "a"]) == "there are: a, b"


@pytest.mark.parametrize(("value", "seconds"), [(3, 3.0), (0.5, 0.5), (timedelta(minutes=2), 120.0), (0.001, 0.001)])
def test_seconds_come_from_numbers_and_timedeltas(value: object, seconds: float) -> None:
    assert check_seconds(value, "timeout") == seconds


@pytest.mark.parametrize("value", [0, -1, 0.0001, 31 * 86400, float("nan"), float("inf"), timedelta(days=31)])
def test_seconds_outside_the_range_are_refused_with_the_range(value: object) -> None:
    with pytest.raises(ConfigurationError, match=r"timeout is .*: give 1 ms to 30 d"):
        check_seconds(value, "timeout")


@pytest.mark.parametrize("value", ["10", True, None, [1]])
def test_what_is_no_number_is_refused_as_seconds(value: object) -> None:
    with pytest.raises(ConfigurationError, match="give seconds"):
        check_seconds(value, "timeout")


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("10", 10), ("250ms", 0.25), ("10s", 10), ("10 m", 600), ("2h", 7200), ("1d", 86400), ("1.5", 1.5)],
)
def test_seconds_are_read_from_text(text: str, seconds: float) -> None:
    assert seconds_of_text(text, "timeout") == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "m", "10 min", "-3", "1e3", "10M"])
def test_text_that_is_no_duration_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ConfigurationError, match="such as 10m"):
        seconds_of_text(text, "timeout")


@pytest.mark.parametrize(
    ("text", "size"), [("4096", 4096), ("64KiB", 65536), ("512MiB", 512 << 20), ("1.5 GiB", 3 << 29), ("7B", 7)]
)
def test_sizes_are_read_from_text(text: str, size: int) -> None:
    assert bytes_of_text(text, "memory_limit") == size
    assert check_bytes(text, "memory_limit") == size


@pytest.mark.parametrize(
    ("text", "remedy"), [("512M", "write 512MiB"), ("2GB", "write 2GiB"), ("lots", "such as 512MiB")]
)
def test_decimal_sizes_are_refused_with_the_binary_spelling(text: str, remedy: str) -> None:
    with pytest.raises(ConfigurationError, match=remedy):
        bytes_of_text(text, "memory_limit")


@pytest.mark.parametrize("value", [0, -5, 1.5, True])
def test_wrong_sizes_are_refused(value: object) -> None:
    with pytest.raises(ConfigurationError, match="memory_limit is"):
        check_bytes(value, "memory_limit")


def test_ids_are_version_7_unique_and_sorted_by_time() -> None:
    ids = [new_activity_id() for _ in range(2000)]
    assert all(is_activity_id(text) for text in ids)
    assert len(set(ids)) == len(ids)
    assert ids[0] < ids[-1]


@pytest.mark.parametrize(
    "text", ["", "x", "01a1ff3d-56f6-48f5-8ed1-44d1e4ef9bc9", "01A1FF6C-97E0-7AFD-8B48-0553AA93622E"]
)
def test_other_texts_are_no_activity_ids(text: str) -> None:
    assert not is_activity_id(text)
