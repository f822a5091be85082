"""`WorkerEngine`: what an application registers, and the door by which it starts, stops and submits."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from enum import Enum
from typing import TYPE_CHECKING, Any, Self, overload

from typing_extensions import TypeVar, Unpack

from rrqmp.client.executor import ActivityExecutor
from rrqmp.client.future import ActivityFuture
from rrqmp.client.queue import ActivityQueue
from rrqmp.client.targets import Target
from rrqmp.engine.builder import WorkerEngineBuilder
from rrqmp.engine.decorating import ActivityDecorator
from rrqmp.engine.hooking import WorkerHooks
from rrqmp.engine.keywords import EngineSettings, check_tracing, plain_settings
from rrqmp.engine.reference import find_application, refuse_missing_guard, search_path
from rrqmp.errors import AlreadyRunning, ConfigurationError
from rrqmp.handling.activity import Activity, AsyncActivity, PlainActivity
from rrqmp.handling.application import CarriedApplication
from rrqmp.handling.context import ActivityContext
from rrqmp.handling.handler import ActivityHandler
from rrqmp.handling.limits import HandlerOptions
from rrqmp.handling.registration import register
from rrqmp.handling.registry import Registry
from rrqmp.model.activity_type import ActivityType
from rrqmp.model.options import ActivityOption, Options
from rrqmp.model.units import check_seconds
from rrqmp.settings.resolution import SettingsInputs
from rrqmp.telemetry.sink import MetricsSink

if TYPE_CHECKING:
    from rrqmp.engine.child import SupervisorChild

P = TypeVar("P", default=Any)
R = TypeVar("R", default=Any)


class WorkerEngine(WorkerHooks):
    """Handlers and settings of one application. Makes no connection and starts no process until it is asked."""

    def __init__(self, **settings: Unpack[EngineSettings]) -> None:
        self.settings: Mapping[str, object] = plain_settings(settings)
        self.registry = Registry()
        self.metrics: MetricsSink | None = settings.get("metrics")
        self.tracing: bool | Callable[[], Any] = check_tracing(settings.get("tracing"))
        self._redis_config = settings.get("redis_config")
        self._executor: ActivityExecutor | None = None
        self._child: SupervisorChild | None = None
        self._lock = threading.Lock()
        if start := settings.get("on_worker_start"):
            self.on_worker_start(start)
        if stop := settings.get("on_worker_stop"):
            self.on_worker_stop(stop)

    @classmethod
    def builder(cls) -> WorkerEngineBuilder[Self]:
        """The sentence form: `WorkerEngine.builder().queue_name("img").build()`."""
        return WorkerEngineBuilder(cls)

    # Registering.

    @overload
    def register_activity(
        self,
        handler: type[ActivityHandler[Any, Any]] | ActivityHandler[Any, Any] | Callable[..., Any],
        /,
        **options: Unpack[HandlerOptions],
    ) -> None: ...

    @overload
    def register_activity(
        self,
        declared: str | ActivityType[P, R],
        handler: type[ActivityHandler[P, R]] | ActivityHandler[P, R] | Callable[..., Any],
        /,
        **options: Unpack[HandlerOptions],
    ) -> None: ...

    def register_activity(self, first: Any, second: Any = None, /, **options: Unpack[HandlerOptions]) -> None:
        """Registers a class (made in each worker, after the fork), an instance or a function, plain or `async def`.

        With two arguments the first is the type's name or `ActivityType`. Raises `ConfigurationError`.
        """
        declared, handler = (first, second) if second is not None else (None, first)
        if second is None and isinstance(first, str | Enum | ActivityType):
            raise ConfigurationError(f"register_activity({first!r}) has no handler: give it as the second argument")
        self._refuse_when_running()
        self.registry.add(register(declared, handler, options))

    # The overlaps: see `decorating`.
    @overload
    def activity(self, function: Callable[[P], Coroutine[Any, Any, R]], /) -> AsyncActivity[P, R]: ...  # type: ignore[overload-overlap]

    @overload
    def activity(  # type: ignore[overload-overlap]
        self, function: Callable[[P, ActivityContext[Any]], Coroutine[Any, Any, R]], /
    ) -> AsyncActivity[P, R]: ...

    @overload
    def activity(self, function: Callable[[P], R], /) -> PlainActivity[P, R]: ...

    @overload
    def activity(self, function: Callable[[P, ActivityContext[Any]], R], /) -> PlainActivity[P, R]: ...

    @overload
    def activity(
        self, declared: str | ActivityType[Any, Any] | None = None, /, **options: Unpack[HandlerOptions]
    ) -> ActivityDecorator: ...

    def activity(self, first: Any = None, /, **options: Unpack[HandlerOptions]) -> Any:
        """Decorates a function: `@engine.activity`, `@engine.activity("resize", timeout=60)`.

        The type's name is the function's unless one is given. It can still be called, as the plain function.
        """
        if callable(first) and not isinstance(first, type):
            return self._registered(None, first, options)
        return lambda function: self._registered(first, function, options)

    # Submitting.

    def get_activity_executor(self) -> ActivityExecutor:
        """The executor of the engine's (first) queue, at the address that its settings give."""
        with self._lock:
            if self._executor is None:
                settings = SettingsInputs().resolve(self.settings).settings
                self._executor = ActivityExecutor.connect(
                    settings.redis_url,
                    next(iter(settings.queues)),
                    redis_config=self._redis_config,
                    prefix=settings.prefix,
                    payload_limit=settings.payload_limit,
                    priority_aging=settings.priority_aging,
                    max_pending=settings.max_pending,
                )
            return self._executor

    def get_activity_queue(self) -> ActivityQueue:
        """The counts of the engine's (first) queue."""
        return self.get_activity_executor().activity_queue

    @overload
    def execute_activity(
        self, activity: Target[P, R], payload: P, option: ActivityOption | None = None, /
    ) -> ActivityFuture[R]: ...

    @overload
    def execute_activity(
        self, activity: str, payload: Any = None, option: ActivityOption | None = None, /
    ) -> ActivityFuture[Any]: ...

    def execute_activity(
        self, activity: Any, payload: Any = None, option: ActivityOption | None = None, /
    ) -> ActivityFuture[Any]:
        """Submits one activity with its options as one value."""
        if option is not None and not isinstance(option, ActivityOption):
            raise ConfigurationError(f"{option!r} is no ActivityOption: give one, or use execute() with keywords")
        options = option.as_options() if option else Options()
        return self.get_activity_executor().execute(activity, payload, **options)

    # Running.

    def start(self) -> None:
        """Runs a supervisor with its workers in processes of their own and blocks until it has stopped.

        SIGINT and SIGTERM are handed on to it. Raises `AlreadyRunning`; `ConfigurationError`, `StoreUnavailable` or
        `WorkerError` where it ended otherwise than asked.
        """
        child = self._launch("engine.start()")
        try:
            with child.forwarding_signals():
                child.finish()
        finally:
            self._child = None

    @contextmanager
    def running(self) -> Iterator[Self]:
        """Runs while the block runs: entered when activities are being taken, left when all has stopped."""
        child = self._launch("engine.running()")
        try:
            child.wait_until_ready()
            try:
                yield self
            finally:
                child.ask_to_stop()
                child.finish()
        finally:
            self._child = None

    def stop(self, timeout: float | timedelta | None = None) -> None:
        """Asks for the end and waits for it, from any thread; without a running engine it does nothing.

        What runs may finish for `timeout`, by default for the setting `shutdown_timeout`; then it goes back, uncounted.
        """
        seconds = None if timeout is None else check_seconds(timeout, "timeout", least=0.0)
        child = self._child
        if child is None:
            return
        child.ask_to_stop()
        if not child.wait(seconds):
            child.hurry()
            child.wait()

    def __repr__(self) -> str:
        return f"<WorkerEngine of {', '.join(self.registry.types()) or 'no activities yet'}>"

    def _launch(self, what: str) -> SupervisorChild:
        # Late: who only submits needs neither processes nor sockets of ours.
        from rrqmp.engine.carrying import carry
        from rrqmp.engine.child import SupervisorChild

        refuse_missing_guard(what)
        if not len(self.registry):
            raise ConfigurationError("this engine has no handlers: call register_activity or decorate a function first")
        with self._lock:
            self._refuse_when_running()
            reference = find_application(self)
            carried = None
            if reference.kind == "pickle":
                carried = carry(CarriedApplication(self.registry, self.settings, self.metrics, self.tracing))
            try:
                self._child = SupervisorChild.start(reference, search_path(), carried)
            finally:
                if carried is not None:
                    os.close(carried)
            return self._child

    def _registered(self, declared: Any, function: Any, options: HandlerOptions) -> Activity[Any, Any]:
        self._refuse_when_running()
        registration = register(declared, function, options)
        self.registry.add(registration)
        kind = AsyncActivity if registration.is_async else PlainActivity
        declaration = declared if isinstance(declared, ActivityType) else registration.declaration()
        return kind(function, declaration, options)

    def _refuse_when_running(self) -> None:
        if self._child is not None:
            raise AlreadyRunning(f"{self!r} is running (supervisor {self._child.pid}): call stop() first")
