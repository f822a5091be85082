"""What an application may set, as keywords; turned into the plain values that the settings read."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from enum import Enum
from typing import Any, Final, Literal, TypedDict

from rrqmp.client.redis_config import RedisConfig, check_redis_config
from rrqmp.errors import ConfigurationError
from rrqmp.handling.worker_facts import WorkerInfo
from rrqmp.model.names import check_activity_type, check_queue_name, did_you_mean
from rrqmp.settings.table import TABLE
from rrqmp.telemetry.extras import require_extra
from rrqmp.telemetry.sink import MetricsSink


class EngineSettings(TypedDict, total=False):
    """Keywords of `WorkerEngine`; those left out, or `None`, come from flags, environment, TOML or the default.

    `queue_name="a"` is short for `queues=["a"]` (strict order); `queues={"high": 3, "low": 1}` gives weights.
    """

    redis_url: str | None
    queue_name: str | None
    queues: Sequence[str] | Mapping[str, int] | None
    activity_types: Sequence[str] | None
    max_workers: int | None
    max_waiting: int | None
    claim_limit: int | None
    spares: int | Literal["auto"] | None
    threads_per_worker: int | None
    schedule_poll_interval: float | timedelta | None
    shutdown_timeout: float | timedelta | None
    start_timeout: float | timedelta | None
    cancel_grace: float | timedelta | None
    dead_letter_timeout: float | timedelta | None
    lease: float | timedelta | None
    max_crashes: int | None
    max_losses: int | None
    priority_aging: float | timedelta | Literal["strict"] | None
    result_ttl: float | timedelta | None
    idempotency_ttl: float | timedelta | None
    dead_letter_limit: int | None
    payload_limit: int | str | None
    key: str | None
    max_pending: int | None
    prefix: str | None
    node: str | None
    runtime_dir: str | os.PathLike[str] | None
    metrics_address: str | None
    log_level: str | None
    log_format: str | None
    redis_config: RedisConfig | None
    metrics: MetricsSink | None
    tracing: bool | Callable[[], Any] | None
    on_worker_start: Callable[[], Any] | Callable[[WorkerInfo], Any] | None
    on_worker_stop: Callable[[], Any] | Callable[[WorkerInfo], Any] | None


# What the engine keeps for itself; the rest is a line of the table of settings.
_OWN: Final = ("queue_name", "redis_config", "metrics", "tracing", "on_worker_start", "on_worker_stop")
_WORDS: Final[Mapping[str, Callable[[object], str]]] = {
    "queues": check_queue_name,
    "activity_types": check_activity_type,
}
NAMES: Final = tuple(EngineSettings.__annotations__)


def plain_settings(keywords: Mapping[str, Any]) -> dict[str, object]:
    """The settings among the keywords, checked, as values that can travel; raises `ConfigurationError`."""
    given = {name: value for name, value in keywords.items() if value is not None}
    for name in given:
        if name not in NAMES:
            raise ConfigurationError(f"WorkerEngine has no {name!r}: {did_you_mean(name, NAMES)}")
    _check_metrics(given.get("metrics"))
    check_redis_config(given.get("redis_config"))
    if "queue_name" in given:
        if "queues" in given:
            raise ConfigurationError("queue_name and queues exclude each other: give one")
        given["queues"] = [given["queue_name"]]
    settings = {name: _plain(value) for name, value in given.items() if name not in _OWN}
    for name, check in _WORDS.items():
        _check_words(settings.get(name), name, check)
    for name, value in settings.items():
        try:
            TABLE[name].read(value, name)
        except ConfigurationError:
            raise
        except ValueError as error:
            raise ConfigurationError(str(error)) from None
    return settings


def _check_metrics(sink: object) -> None:
    if sink is not None and (isinstance(sink, type) or not isinstance(sink, MetricsSink)):
        raise ConfigurationError(f"metrics is {sink!r}: give an object with inc_counter and observe_duration")


def check_tracing(wanted: object) -> bool | Callable[[], Any]:
    """`True`, nothing, or a function that makes a tracer provider in each worker; raises `ConfigurationError`."""
    if wanted is not None and not isinstance(wanted, bool) and not callable(wanted):
        raise ConfigurationError(f"tracing is {wanted!r}: give True, or a function that makes a TracerProvider")
    if wanted:
        require_extra("opentelemetry.sdk.trace", "otel", "tracing")
        if wanted is True:
            require_extra("opentelemetry.exporter.otlp.proto.http", "otel", "tracing=True")
    return wanted or False


def _check_words(value: object, name: str, check: Callable[[object], str]) -> None:
    """Each word as it stands: the settings' readers would split it at commas and strip it, as they must in text."""
    for word in value if isinstance(value, list | dict) else ():
        if "," in check(word):
            raise ConfigurationError(f"{name} holds {word!r}: a comma separates names in flags; leave it out")


def _plain(value: Any) -> object:
    if isinstance(value, Enum):
        return _plain(value.value)
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if isinstance(value, Mapping):
        return {_plain(name): _plain(item) for name, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return [_plain(item) for item in value]
    return value
