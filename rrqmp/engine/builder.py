"""The sentence form of an engine; every step returns a new builder."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any, Generic, Self, TypeVar

from typing_extensions import Unpack

from rrqmp.client.redis_config import RedisConfig
from rrqmp.engine.keywords import EngineSettings, plain_settings
from rrqmp.handling.worker_facts import WorkerInfo
from rrqmp.telemetry.sink import MetricsSink

E_co = TypeVar("E_co", covariant=True)


class WorkerEngineBuilder(Generic[E_co]):
    """An engine in the making; each value is checked when it is given."""

    __slots__ = ("_keywords", "_make")

    def __init__(self, make: Callable[..., E_co], keywords: Mapping[str, Any] | None = None) -> None:
        self._make = make
        self._keywords: Mapping[str, Any] = keywords or {}

    def redis_url(self, url: str) -> Self:
        """`redis://`, `rediss://`, `unix://` or `embedded:`; default `redis://127.0.0.1:6379`."""
        return self.settings(redis_url=url)

    def queue_name(self, name: str) -> Self:
        """The one queue that is served and submitted to; default `default`."""
        return self.settings(queue_name=name)

    def queues(self, queues: Sequence[str] | Mapping[str, int]) -> Self:
        """Several queues in strict order, or with weights; submissions go to the first."""
        return self.settings(queues=queues)

    def activity_types(self, types: Sequence[str]) -> Self:
        """Takes only these of the registered types."""
        return self.settings(activity_types=types)

    def max_workers(self, workers: int) -> Self:
        """Worker processes; default the CPUs that this process may use."""
        return self.settings(max_workers=workers)

    def max_pending(self, activities: int) -> Self:
        """How many may wait before the engine's executor raises `QueueFull`; handlers are not limited by it."""
        return self.settings(max_pending=activities)

    def schedule_poll_interval(self, seconds: float | timedelta) -> Self:
        """The longest sleep of an idle worker; due activities are started by a timer and do not wait for it."""
        return self.settings(schedule_poll_interval=seconds)

    def redis_config(self, config: RedisConfig) -> Self:
        """The shape of the client's connection pool."""
        return self.settings(redis_config=config)

    def metrics(self, sink: MetricsSink) -> Self:
        """Where counts and durations go; called in the workers."""
        return self.settings(metrics=sink)

    def tracing(self, tracing: bool | Callable[[], Any] = True) -> Self:
        """A span for each attempt, exported by each worker; a function makes a tracer provider of your own there."""
        return self.settings(tracing=tracing)

    def on_worker_start(self, hook: Callable[[], Any] | Callable[[WorkerInfo], Any]) -> Self:
        """What runs once in each worker before its first claim."""
        return self.settings(on_worker_start=hook)

    def on_worker_stop(self, hook: Callable[[], Any] | Callable[[WorkerInfo], Any]) -> Self:
        """What runs in each worker when it leaves."""
        return self.settings(on_worker_stop=hook)

    def settings(self, **settings: Unpack[EngineSettings]) -> Self:
        """Any other setting by its name."""
        plain_settings(settings)
        return type(self)(self._make, {**self._keywords, **settings})

    def build(self) -> E_co:
        """The engine; nothing is started and nothing connected."""
        return self._make(**self._keywords)
