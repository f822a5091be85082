"""The functions of one runner, by name: plain ones, coroutines, and handlers that serve a queue as well."""

from __future__ import annotations

import dataclasses
import inspect
import os
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any, TypeVar, overload

import msgspec

from rrqmp.errors import ConfigurationError
from rrqmp.handling.activity import Activity
from rrqmp.handling.context import NoSignals, Signals
from rrqmp.handling.handler import ActivityHandler
from rrqmp.handling.jobs import Jobs
from rrqmp.handling.registration import Registration, register
from rrqmp.handling.registry import Registry as Registrations
from rrqmp.model.units import check_seconds
from rrqmp.runner.accounts import TELLS
from rrqmp.runner.execution import Functions, RunnerJobs
from rrqmp.runner.outcome import Encoded, ExecutionOutcome
from rrqmp.runner.request import ExecutionRequest
from rrqmp.runner.telemetry import NoopTelemetry, Telemetry, telemetry_of

F = TypeVar("F", bound=Callable[..., Any])


class Registry:
    """Handlers by function name. The module that holds it is imported once, and every worker has a copy.

    `telemetry` gets the spans and counts of its requests; without it the environment decides.
    """

    def __init__(self, *, telemetry: Telemetry | None = None) -> None:
        self._telemetry = telemetry
        self._registrations = Registrations()
        self._functions = Functions({}, {})

    @overload
    def register(self, name: str, handler: F, /, *, timeout: float | timedelta | None = None) -> F: ...

    @overload
    def register(self, name: F, /) -> F: ...

    @overload
    def register(self, name: str, /, *, timeout: float | timedelta | None = None) -> Callable[[F], F]: ...

    def register(self, name: Any, handler: Any = None, /, *, timeout: float | timedelta | None = None) -> Any:
        """Adds a handler: `register("greet", greet)`, `@registry.register`, `@registry.register("greet")`.

        A function, plain or `async def`, takes an `ExecutionRequest`; an `ActivityHandler` (class or instance) or an
        `@engine.activity` takes the parameters as its payload. `timeout` in seconds ends an attempt before the job's
        deadline does. Raises `ConfigurationError`, for a name that is taken too.
        """
        if handler is None and isinstance(name, str):
            return lambda decorated: self.register(name, decorated, timeout=timeout)
        if handler is None:
            name, handler = None, name
        self._add(name, handler, None if timeout is None else check_seconds(timeout, "timeout"))
        return handler

    def execute(self, request: ExecutionRequest) -> ExecutionOutcome:
        """Runs a request here and now, in this process and without a limit: for tests of handlers."""
        jobs = RunnerJobs(self._registrations, self._functions, NoSignals(), None)
        try:
            outcome = jobs.execute(request)
        finally:
            jobs.close()
        if isinstance(outcome.result, Encoded):
            return dataclasses.replace(outcome, result=msgspec.json.decode(outcome.result))
        return outcome

    # What a worker's template asks of an application.

    @property
    def registry(self) -> Registrations:
        """The handlers as the workers see them."""
        return self._registrations

    @property
    def settings(self) -> Mapping[str, object]:
        """A runner is set by its command line alone; its supervisor is told whether anybody wants its accounts."""
        return {TELLS: self._chosen_telemetry() is not None}

    @property
    def metrics(self) -> None:
        """What a runner counts goes where `rrqmp.runner.telemetry` sends it."""
        return

    def open_jobs(self, signals: Signals) -> Jobs:
        """The handlers of one worker process."""
        return RunnerJobs(self._registrations, self._functions, signals, self._chosen_telemetry())

    def _chosen_telemetry(self) -> Telemetry | None:
        chosen = self._telemetry or telemetry_of()
        return None if isinstance(chosen, NoopTelemetry) else chosen

    def __repr__(self) -> str:
        return f"<Registry of {', '.join(self._registrations.types()) or 'no functions yet'}>"

    def _add(self, name: str | None, handler: Any, limit: float | None) -> None:
        if _takes_payload(handler):
            registration = register(name, handler, {})
            if limit is None and _states_timeout(handler):
                limit = registration.timeout
        else:
            registration = _of_function(name, handler)
            self._functions.by_name[registration.activity_type] = handler
        self._registrations.add(registration)
        if limit is not None:
            self._functions.limits[registration.activity_type] = limit


def _takes_payload(handler: Any) -> bool:
    return isinstance(handler, type | ActivityHandler | Activity)


def _states_timeout(handler: Any) -> bool:
    """Whether the limit is the handler's own, and not the one that all have on a queue."""
    if isinstance(handler, Activity):
        return handler.options.get("timeout") is not None
    own = handler if isinstance(handler, type) else type(handler)
    return getattr(own, "timeout", None) is not None


def _of_function(name: str | None, function: Any) -> Registration:
    if not callable(function):
        raise ConfigurationError(f"{function!r} is no handler: give a function of one request, or an ActivityHandler")
    code = getattr(inspect.unwrap(function), "__code__", None)
    title = getattr(function, "__qualname__", repr(function))
    origin = f"{os.path.basename(code.co_filename)}:{code.co_firstlineno} {title}" if code else title
    try:
        inspect.signature(function).bind(None)
    except TypeError as error:
        raise ConfigurationError(
            f"{origin} is called with the request and nothing else, and its signature does not allow that ({error})"
        ) from None
    except ValueError:
        # Some built-in functions have no signature to look at.
        pass
    if name is None:
        name = getattr(function, "__name__", "<lambda>")
        if name == "<lambda>":
            raise ConfigurationError(f"{origin} has no name: register it as register('name', function)")
    # Annotated as the wire is, whatever the function says of its own: it may return an outcome or a value.
    registration = register(name, _shape, {})
    # As in RRQ, whatever is raised is tried again, unless it says itself that this is of no use.
    return dataclasses.replace(
        registration, code=code, origin=origin, retry_on=(BaseException,), non_retryable=(), takes_context=False
    )


def _shape(request: Any) -> Any:
    raise AssertionError("a function of a request is called by itself")
