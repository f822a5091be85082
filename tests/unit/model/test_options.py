"""The options of a submission: every wrong one is named with its remedy before anything is sent."""

from __future__ import annotations

import pickle
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from rrqmp.errors import ConfigurationError
from rrqmp.model.activity_type import ActivityType
from rrqmp.model.options import DEFAULT_OPTIONS, ActivityOption, BulkOptions, OnDuplicate, Options, check_options
from rrqmp.model.priority import ActivityPriority
from rrqmp.model.retry import UNLIMITED, RetryPolicy
from rrqmp.model.spec import Spec


@dataclass
class Job:
    path: str


def test_no_options_are_the_defaults_and_store_nothing() -> None:
    assert check_options({}) is DEFAULT_OPTIONS
    assert check_options({"timeout": None, "priority": None}).spec == Spec()
    assert DEFAULT_OPTIONS.priority is ActivityPriority.NORMAL


def test_all_options_arrive_in_the_stores_units() -> None:
    policy = RetryPolicy(5, base=2.0)
    checked = check_options(
        {
            "priority": ActivityPriority.HIGH, "timeout": timedelta(minutes=1), "max_retries": 5, "retry": policy,
            "delay": 0.25, "metadata": {"a": "b"}, "key": "k", "on_duplicate": "no_reuse", "key_ttl": 60,
            "result_ttl": timedelta(hours=1),
        }
    )  # fmt: skip
    assert checked.priority is ActivityPriority.HIGH
    assert checked.delay_us == 250_000
    assert checked.on_duplicate is OnDuplicate.NO_REUSE
    assert checked.spec == Spec(
        key="k", key_ttl=60.0, timeout=60.0, max_retries=5, retry=policy, result_ttl=3600.0, metadata={"a": "b"}
    )


def test_an_absolute_time_becomes_microseconds_since_1970() -> None:
    moment = datetime.now(UTC) + timedelta(hours=1)
    assert check_options({"at": moment}).at_us == round(moment.timestamp() * 1_000_000)


@pytest.mark.parametrize("value", [2, "high", "HIGH", ActivityPriority.HIGH])
def test_a_priority_may_be_its_number_or_its_name(value: Any) -> None:
    assert check_options({"priority": value}).priority is ActivityPriority.HIGH


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"timout": 3}, "no option 'timout': did you mean 'timeout'"),
        ({"priority": "urgent"}, "priority is 'urgent': give one of ActivityPriority"),
        ({"priority": 7}, "priority is 7"),
        ({"priority": True}, "priority is True"),
        ({"timeout": 0}, "timeout is 0 s: give 1 ms to 30 d"),
        ({"timeout": "10"}, "timeout is '10'"),
        ({"delay": -1}, "delay is -1 s: give 0 ms to 30 d"),
        ({"delay": 31 * 86400}, "delay is .* give 0 ms to 30 d"),
        ({"max_retries": -2}, "max_retries is -2: give 0 or more, or UNLIMITED"),
        ({"max_retries": 1.5}, "max_retries is 1.5"),
        ({"retry": 3}, "retry is 3: give a RetryPolicy"),
        ({"at": datetime(2030, 1, 1)}, "a datetime with a time zone"),
        ({"at": datetime.now(UTC) + timedelta(days=40)}, "at most 30 days"),
        ({"at": datetime.now(UTC), "delay": 1}, "exclude each other"),
        ({"metadata": {"a": 1}}, "names and values are strings"),
        ({"metadata": "x"}, "metadata is 'x'"),
        ({"metadata": {"a": "x" * 9000}}, "9001 bytes, at most 8192"),
        ({"metadata": {"a": "\ud800"}}, "lone surrogate"),
        ({"key": 3}, "key is 3: give a string"),
        ({"key": "x" * 513}, "513 bytes long, at most 512"),
        ({"key": "k", "on_duplicate": "replace"}, "on_duplicate is 'replace': give one of OnDuplicate"),
        ({"on_duplicate": OnDuplicate.NO_REUSE}, "give key as well"),
        ({"result_ttl": 1}, "result_ttl is 1 s: give 1 m to 30 d"),
        ({"soft_timeout": 0}, "soft_timeout is 0 s: give 1 ms to 30 d"),
        ({"soft_timeout": 5, "timeout": 5}, "soft_timeout is 5 s and timeout 5 s: give a shorter one"),
        ({"expires": 0}, "expires is 0 s: give 1 ms to 30 d"),
        ({"expires": timedelta(seconds=-3)}, "expires is -3 s: give 1 ms to 30 d"),
        ({"expires": float("nan")}, "expires is nan s"),
        ({"expires": True}, "expires is True"),
        ({"expires": "soon"}, "expires is 'soon': give seconds, a timedelta or a datetime with a time zone"),
        ({"expires": datetime.now(UTC) - timedelta(hours=1)}, "expires is .* s ago: give a moment in the next 30 days"),
        ({"expires": datetime.now(UTC) + timedelta(days=40)}, "expires is .*, 40 days ahead"),
        ({"expires": datetime(2030, 1, 1)}, "expires is .*: give a datetime with a time zone"),
        ({"expires": 5, "delay": 5}, "expires is 5 s from now, and it becomes ready only after 5 s"),
    ],
)
def test_a_wrong_option_names_the_value_and_the_remedy(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        check_options(options)


def test_activity_option_speaks_the_names_of_runner_q() -> None:
    option = ActivityOption(priority=ActivityPriority.CRITICAL, max_retries=UNLIMITED, timeout_seconds=900)
    checked = check_options(dict(option.as_options()))
    assert (checked.priority, checked.spec) == (ActivityPriority.CRITICAL, Spec(timeout=900.0, max_retries=UNLIMITED))


def test_an_expiry_is_kept_as_seconds_since_1970() -> None:
    moment = datetime.now(UTC) + timedelta(hours=1)
    assert check_options({"expires": moment}).spec.expires == pytest.approx(moment.timestamp())
    assert check_options({"expires": 60}).spec.expires == pytest.approx(time.time() + 60, abs=5)


def test_activity_option_has_a_word_for_every_option() -> None:
    moment = datetime.now(UTC) + timedelta(hours=1)
    option = ActivityOption(
        priority=ActivityPriority.LOW, max_retries=1, retry=RetryPolicy(1), timeout_seconds=3, soft_timeout_seconds=2,
        delay_seconds=1, scheduled_at=moment, expires=9, metadata={}, idempotency_key="k",
        on_duplicate=OnDuplicate.NO_REUSE, idempotency_ttl_seconds=60, result_ttl_seconds=60,
    )  # fmt: skip
    assert option.as_options().keys() == {*Options.__annotations__, *BulkOptions.__annotations__}
    assert None not in option.as_options().values()


def test_a_declaration_holds_types_and_submit_defaults() -> None:
    declared = ActivityType("thumbnail", Job, int, priority=ActivityPriority.LOW, result_ttl=timedelta(hours=2))
    assert declared.payload_codec.decode(b'{"path":"a"}') == Job("a")
    assert dict(declared.defaults) == {"priority": ActivityPriority.LOW, "result_ttl": timedelta(hours=2)}
    assert repr(declared) == "ActivityType('thumbnail', Job, int)"


def test_a_declaration_travels_by_pickle_also_when_used() -> None:
    declared = ActivityType("thumbnail", Job, int)
    declared.payload_codec.encode(Job("a"))
    copy = pickle.loads(pickle.dumps(declared))
    assert (copy.name, copy.payload_type, copy.result_type) == ("thumbnail", Job, int)


@pytest.mark.parametrize(
    ("arguments", "keywords", "message"),
    [
        (("a{",), {}, "braces"),
        (("a", complex), {}, "payload type of 'a'"),
        (("a", int, complex), {}, "result type of 'a'"),
        (("a",), {"timeout": 3}, "timeout"),
        (("a",), {"delay": -3}, "delay is -3"),
    ],
)
def test_a_wrong_declaration_is_refused(arguments: Any, keywords: Any, message: str) -> None:
    with pytest.raises((ConfigurationError, TypeError), match=message):
        ActivityType(*arguments, **keywords)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"max_retries": "3"}, "max_retries is '3': give 0 or more, or UNLIMITED"),
        ({"max_retries": -2}, "max_retries is -2"),
        ({"base": "2"}, "base='2'.*: base and cap are seconds"),
        ({"cap": float("nan")}, "cap=nan.*: base and cap are seconds"),
        ({"jitter": None}, "jitter=None.*: jitter is a fraction"),
    ],
)
def test_a_wrong_retry_policy_names_the_value_and_the_remedy(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        RetryPolicy(**fields)
