"""What a submitter may ask for, and its check: nothing is sent before all of it has passed."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final, TypedDict

from rrqmp.errors import ConfigurationError
from rrqmp.model.names import MAX_KEY_BYTES, did_you_mean
from rrqmp.model.priority import ActivityPriority
from rrqmp.model.retry import RetryPolicy, check_max_retries
from rrqmp.model.spec import Spec
from rrqmp.model.units import MOST_SECONDS, check_seconds

MAX_METADATA_BYTES: Final = 8 * 1024
# A result must outlive the resends of its enqueue.
LEAST_RESULT_TTL_SECONDS: Final = 60.0


class OnDuplicate(StrEnum):
    """What happens to a submission whose idempotency key is taken; the words go to the script as they are."""

    ALLOW_REUSE = "allow_reuse"
    RETURN_EXISTING = "return_existing"
    ALLOW_REUSE_ON_FAILURE = "allow_reuse_on_failure"
    NO_REUSE = "no_reuse"


class BulkOptions(TypedDict, total=False):
    """Keywords of many submissions at once; `None` inherits. Durations are seconds or timedeltas.

    `at` is an aware datetime; `expires` is one too, or a time from now: what has not started by then never does.
    """

    priority: ActivityPriority | None
    timeout: float | timedelta | None
    soft_timeout: float | timedelta | None
    max_retries: int | None
    retry: RetryPolicy | None
    delay: float | timedelta | None
    at: datetime | None
    expires: float | timedelta | datetime | None
    metadata: Mapping[str, str] | None
    on_duplicate: OnDuplicate | None
    key_ttl: float | timedelta | None
    result_ttl: float | timedelta | None


class Options(BulkOptions, total=False):
    """Keywords of one submission. `key` is the idempotency key; without `on_duplicate` it means `RETURN_EXISTING`."""

    key: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ActivityOption:
    """Options as one value, in the names of Runner-Q; `None` inherits."""

    priority: ActivityPriority | None = None
    max_retries: int | None = None
    retry: RetryPolicy | None = None
    timeout_seconds: float | timedelta | None = None
    soft_timeout_seconds: float | timedelta | None = None
    delay_seconds: float | timedelta | None = None
    scheduled_at: datetime | None = None
    expires: float | timedelta | datetime | None = None
    metadata: Mapping[str, str] | None = None
    idempotency_key: str | None = None
    on_duplicate: OnDuplicate | None = None
    idempotency_ttl_seconds: float | timedelta | None = None
    result_ttl_seconds: float | timedelta | None = None

    def as_options(self) -> Options:
        """The same, as keywords of `execute`."""
        return Options(
            priority=self.priority, max_retries=self.max_retries, retry=self.retry, timeout=self.timeout_seconds,
            soft_timeout=self.soft_timeout_seconds, delay=self.delay_seconds, at=self.scheduled_at,
            expires=self.expires, metadata=self.metadata, key=self.idempotency_key, on_duplicate=self.on_duplicate,
            key_ttl=self.idempotency_ttl_seconds, result_ttl=self.result_ttl_seconds,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class CheckedOptions:
    """Options in the store's units, all valid. `spec` holds what travels with the activity."""

    priority: ActivityPriority = ActivityPriority.NORMAL
    delay_us: int = 0
    at_us: int = 0
    on_duplicate: OnDuplicate = OnDuplicate.RETURN_EXISTING
    spec: Spec = field(default_factory=Spec)


DEFAULT_OPTIONS: Final = CheckedOptions()


def check_options(options: Mapping[str, Any]) -> CheckedOptions:
    """Checks every option; raises `ConfigurationError` naming the first wrong value and the remedy."""
    if not options:
        return DEFAULT_OPTIONS
    given = {name: value for name, value in options.items() if value is not None}
    if not given.keys() <= Options.__annotations__.keys():
        wrong = next(name for name in given if name not in Options.__annotations__)
        raise ConfigurationError(f"no option {wrong!r}: {did_you_mean(wrong, Options.__annotations__)}")
    delay_us, at_us = _check_start(given.get("delay"), given.get("at"))
    key = check_key(given.get("key", ""))
    if not key and ("key_ttl" in given or "on_duplicate" in given):
        raise ConfigurationError("on_duplicate and key_ttl say how a key is used: give key as well")
    timeout, soft_timeout = _optional_seconds(given, "timeout"), _optional_seconds(given, "soft_timeout")
    if timeout is not None and soft_timeout is not None and soft_timeout >= timeout:
        raise ConfigurationError(f"soft_timeout is {soft_timeout:g} s and timeout {timeout:g} s: give a shorter one")
    spec = Spec(
        key=key,
        key_ttl=_optional_seconds(given, "key_ttl", least=1.0),
        timeout=timeout,
        soft_timeout=soft_timeout,
        expires=_check_expires(given["expires"], delay_us, at_us) if "expires" in given else None,
        max_retries=check_max_retries(given["max_retries"]) if "max_retries" in given else None,
        retry=_check_retry(given.get("retry")),
        result_ttl=_optional_seconds(given, "result_ttl", least=LEAST_RESULT_TTL_SECONDS),
        metadata=check_metadata(given["metadata"]) if "metadata" in given else None,
    )
    return CheckedOptions(
        priority=check_priority(given.get("priority", ActivityPriority.NORMAL)),
        delay_us=delay_us,
        at_us=at_us,
        on_duplicate=_check_on_duplicate(given.get("on_duplicate", OnDuplicate.RETURN_EXISTING)),
        spec=spec,
    )


def check_priority(value: object) -> ActivityPriority:
    """An `ActivityPriority`, also from its number or name; raises `ConfigurationError`."""
    if isinstance(value, ActivityPriority):
        return value
    names = ActivityPriority.__members__
    if isinstance(value, str) and value.upper() in names:
        return names[value.upper()]
    if isinstance(value, int) and not isinstance(value, bool) and value in list(ActivityPriority):
        return ActivityPriority(value)
    raise ConfigurationError(f"priority is {value!r}: give one of ActivityPriority.{', '.join(names)}")


def check_key(value: object) -> str:
    """An idempotency key; empty is none."""
    if not isinstance(value, str):
        raise ConfigurationError(f"key is {value!r}: give a string")
    size = len(_utf8(value, "key"))
    if size > MAX_KEY_BYTES:
        raise ConfigurationError(f"key is {size} bytes long, at most {MAX_KEY_BYTES}: give a digest of it")
    return value


def check_metadata(value: object) -> dict[str, str]:
    """Texts by name, together at most 8 KiB."""
    if not isinstance(value, Mapping):
        raise ConfigurationError(f"metadata is {value!r}: give a mapping of strings to strings")
    for name, text in value.items():
        if not isinstance(name, str) or not isinstance(text, str):
            raise ConfigurationError(f"metadata holds {name!r}: {text!r}: names and values are strings")
    size = sum(len(_utf8(name, "metadata")) + len(_utf8(text, "metadata")) for name, text in value.items())
    if size > MAX_METADATA_BYTES:
        raise ConfigurationError(
            f"metadata is {size} bytes, at most {MAX_METADATA_BYTES}: put the bulk into the payload"
        )
    return dict(value)


def _check_start(delay: object, at: object) -> tuple[int, int]:
    if delay is not None and at is not None:
        raise ConfigurationError("delay and at exclude each other: give one")
    if delay is not None:
        return round(check_seconds(delay, "delay", least=0.0) * 1_000_000), 0
    if at is None:
        return 0, 0
    if not isinstance(at, datetime) or at.tzinfo is None:
        raise ConfigurationError(f"at is {at!r}: give a datetime with a time zone")
    ahead = (at - datetime.now(at.tzinfo)).total_seconds()
    if ahead > MOST_SECONDS:
        raise ConfigurationError(f"at is {at}, {ahead / 86400:.0f} days ahead: give at most 30 days")
    return 0, max(1, round(at.timestamp() * 1_000_000))


def _check_expires(value: object, delay_us: int, at_us: int) -> float:
    """Seconds since 1970, by this host's clock."""
    now = time.time()
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise ConfigurationError(f"expires is {value!r}: give a datetime with a time zone")
        ahead = value.timestamp() - now
        if not 0 < ahead <= MOST_SECONDS:
            raise ConfigurationError(f"expires is {value}, {_past_or_far(ahead)}: give a moment in the next 30 days")
    elif isinstance(value, int | float | timedelta):
        ahead = check_seconds(value, "expires")
    else:
        raise ConfigurationError(f"expires is {value!r}: give seconds, a timedelta or a datetime with a time zone")
    starts = delay_us / 1e6 if not at_us else at_us / 1e6 - now
    if starts >= ahead:
        raise ConfigurationError(f"expires is {ahead:g} s from now, and it becomes ready only after {starts:g} s")
    return now + ahead


def _past_or_far(ahead: float) -> str:
    return f"{-ahead:g} s ago" if ahead <= 0 else f"{ahead / 86400:.0f} days ahead"


def _check_retry(value: object) -> RetryPolicy | None:
    if value is not None and not isinstance(value, RetryPolicy):
        raise ConfigurationError(f"retry is {value!r}: give a RetryPolicy")
    return value


def _check_on_duplicate(value: Any) -> OnDuplicate:
    try:
        return OnDuplicate(value)
    except ValueError:
        raise ConfigurationError(
            f"on_duplicate is {value!r}: give one of OnDuplicate.{', '.join(OnDuplicate.__members__)}"
        ) from None


def _optional_seconds(given: Mapping[str, Any], name: str, *, least: float = 0.001) -> float | None:
    return check_seconds(given[name], name, least=least) if name in given else None


def _utf8(text: str, name: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:
        raise ConfigurationError(f"{name} holds a lone surrogate in {text[:40]!r}: clean the text") from None
