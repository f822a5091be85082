"""One guarded invocation: bytes in, an outcome out, and nothing that user code raises gets past it."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable, Coroutine
from types import CoroutineType
from typing import TYPE_CHECKING, Any, Final, cast

import msgspec

from rrqmp.errors import InvalidPayload
from rrqmp.handling.context import ActivityContext
from rrqmp.handling.failure import clean_text, failure_of, outcome_of, short_repr
from rrqmp.handling.handler import ActivityHandler
from rrqmp.handling.outcome import Outcome, Raised, Returned
from rrqmp.handling.registration import Registration
from rrqmp.handling.registry import Registry
from rrqmp.handling.worker_facts import WorkerInfo
from rrqmp.model.codec import DEFAULT_LIMIT_BYTES, Codec

if TYPE_CHECKING:
    from rrqmp import aio
    from rrqmp.client.executor import ActivityExecutor
    from rrqmp.handling.coroutines import CoroutineRunner

_RETURNED_NONE: Final = Returned(b"null")
_log: Final = logging.getLogger(__name__)


class Invoker:
    """The handlers of one worker process, made after the fork, each at its type's first activity.

    `make_executor` opens the producer's side for handlers that submit, `make_async_executor` that for `async def` ones;
    each is called once, when the first handler asks.
    """

    def __init__(
        self,
        registry: Registry,
        make_executor: Callable[[], ActivityExecutor] | None = None,
        make_async_executor: Callable[[], aio.ActivityExecutor] | None = None,
        *,
        result_limit: int = DEFAULT_LIMIT_BYTES,
    ) -> None:
        self.registry = registry
        self._make_executor = make_executor
        self._make_async_executor = make_async_executor
        self._executor: ActivityExecutor | None = None
        self._async_executor: aio.ActivityExecutor | None = None
        self._coroutines: CoroutineRunner | None = None
        self._result_limit = result_limit
        self._bound: dict[str, BoundHandler] = {}
        # Types whose `setup` has not run in this process: empty for most applications, and looked at for each activity.
        self.not_set_up = {one.activity_type for one in registry if one.wants_setup}
        self._set_up: list[BoundHandler] = []

    def prepare(self, activity_type: str) -> BoundHandler | None:
        """The type's handler, made now if it is not yet; `None` for a type without one. Never raises.

        A handler that could not be made is tried again at the next call; until then every invocation fails with the
        reason. Its `__init__` runs here, so the caller decides whether that is under a deadline.
        """
        bound = self._bound.get(activity_type)
        if bound is not None:
            return bound
        registration = self.registry.get(activity_type)
        if registration is None:
            return None
        try:
            handler, broken = registration.factory(), None
        except BaseException as error:
            handler, broken = None, failure_of(error, registration)
        bound = BoundHandler(registration, handler, broken, self, self._result_limit)
        if broken is None:
            self._bound[activity_type] = bound
        return bound

    def set_up(self, activity_type: str, worker: WorkerInfo) -> Raised | None:
        """Makes the type's handler and calls its `setup`; the failure if one of them raised. Never raises.

        After a failure the handler is made anew for the next try: a half-made one may hold half of everything.
        """
        bound = self.prepare(activity_type)
        if bound is None:
            return None
        failure = bound.set_up(worker)
        if failure is None:
            self.not_set_up.discard(activity_type)
            self._set_up.append(bound)
        else:
            self._bound.pop(activity_type, None)
        return failure

    def tear_down(self) -> int:
        """Calls `teardown` of every handler that was set up, the last one first; how many raised, which is logged."""
        failures = 0
        while self._set_up:
            failures += not self._set_up.pop().tear_down()
        return failures

    def close(self) -> None:
        """Tears down, then ends the loop of `async def` handlers and what is kept on it: where the process lives on."""
        self.tear_down()
        if self._coroutines is not None:
            self._coroutines.close()
            self._coroutines = None

    @property
    def runs_coroutine(self) -> bool:
        """Whether an `async def` handler is under way, whose task `interrupt` would cancel."""
        return self._coroutines is not None and self._coroutines.busy

    def interrupt(self, instead: BaseException | None = None) -> bool:
        """Cancels the task of an `async def` handler; false where none runs. May be called from a signal handler."""
        return self._coroutines is not None and self._coroutines.interrupt(instead)

    def executor(self) -> ActivityExecutor:
        """The worker's one producer connection."""
        if self._executor is None:
            if self._make_executor is None:
                raise RuntimeError("this worker has no connection for submitting")
            self._executor = self._make_executor()
        return self._executor

    def async_executor(self) -> aio.ActivityExecutor:
        """The same for the loop on which `async def` handlers run."""
        if self._async_executor is None:
            if self._make_async_executor is None:
                raise RuntimeError("this worker has no connection for submitting")
            self._async_executor = self._make_async_executor()
        return self._async_executor

    def run_coroutine(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        """Runs a coroutine of a handler to its end."""
        if self._coroutines is None:
            # Late: a worker of plain handlers never needs asyncio.
            from rrqmp.handling.coroutines import CoroutineRunner

            self._coroutines = CoroutineRunner()
        return self._coroutines.run(coroutine)


class BoundHandler:
    """One type's handler in one worker."""

    def __init__(
        self, registration: Registration, handler: Any, broken: Raised | None, invoker: Invoker, result_limit: int
    ) -> None:
        self.registration = registration
        self._broken = broken
        self._handler = handler
        self._invoker = invoker
        self._limit = result_limit
        self._on_dead_letter = _own_callback(handler)
        self._open_executor = invoker.async_executor if registration.is_async else invoker.executor
        called_back_async = inspect.iscoroutinefunction(self._on_dead_letter)
        self._open_for_callback = invoker.async_executor if called_back_async else invoker.executor
        self._takes_context = registration.takes_context
        self._handle: Callable[..., Any] = handler.handle if broken is None else _never
        self._read = Codec(registration.payload_type, allow_nan=registration.allow_nan).reader
        self._results = Codec(registration.result_type, allow_nan=registration.allow_nan)
        # What a waiter of the declared type could not read is told here, where the reason is.
        self._fits = None if self._results.declared is Any else self._results.decode
        self._returned_none = self._stored_none()

    def invoke(self, payload: bytes, context: ActivityContext[Any]) -> Outcome:
        """Decodes, runs and encodes; whatever is raised on the way, `SystemExit` too, becomes `Raised`."""
        if self._broken is not None:
            return self._broken
        try:
            value = self._read(payload)
        except BaseException as error:
            return _unfit(payload, error, self.registration)
        context._open_executor = self._open_executor
        try:
            result = self._handle(value, context) if self._takes_context else self._handle(value)
            if type(result) is CoroutineType:
                result = self._invoker.run_coroutine(cast("Coroutine[Any, Any, Any]", result))
        except BaseException as error:
            return outcome_of(error, self.registration)
        return self._returned_none if result is None else self._store(result)

    def dead_letter(self, payload: bytes, context: ActivityContext[Any], error: BaseException) -> bool:
        """Calls the handler's `on_dead_letter`; what that raises is logged. A payload that does not fit is `None`.

        False where it raised, or could not be called since the handler could not be made.
        """
        if self._broken is not None:
            _log.error(
                "on_dead_letter of %s was not called for %s: the handler could not be made: %s: %s",
                context.activity_type,
                context.activity_id,
                self._broken.error,
                self._broken.message,
            )
            return False
        if self._on_dead_letter is None:
            return True
        try:
            value = self._read(payload)
        except BaseException:
            value = None
        context._open_executor = self._open_for_callback
        try:
            self._finish(self._on_dead_letter(value, context, error))
        except BaseException:
            _log.exception("on_dead_letter of %s failed for %s", context.activity_type, context.activity_id)
            return False
        return True

    def _stored_none(self) -> Outcome:
        return _RETURNED_NONE if self._fits is None else self._store(None)

    def set_up(self, worker: WorkerInfo) -> Raised | None:
        """Calls the handler's `setup`; the failure if that, or the making of the handler, raised."""
        if self._broken is not None:
            return self._broken
        try:
            self._finish(self._handler.setup(worker))
        except BaseException as error:
            return failure_of(error, self.registration)
        return None

    def tear_down(self) -> bool:
        """Calls the handler's `teardown`; what that raises is logged. False where it did."""
        try:
            teardown = getattr(self._handler, "teardown", None)
            if teardown is not None:
                self._finish(teardown())
        except BaseException:
            _log.exception("teardown of %s failed", self.registration.activity_type)
            return False
        return True

    def _finish(self, answer: Any) -> None:
        if type(answer) is CoroutineType:
            self._invoker.run_coroutine(cast("Coroutine[Any, Any, Any]", answer))

    def _store(self, result: object) -> Outcome:
        try:
            encoded = self._results.encode(result, limit=self._limit, what="result")
            if self._fits is not None:
                self._fits(encoded, what="result")
            return Returned(encoded)
        except InvalidPayload as error:
            reason = str(error)
        except BaseException as error:
            # The value's own code ran: a property, a model's dump.
            reason = f"result: encoding it raised {type(error).__name__}: {short_repr(error)}"
        return Raised(
            error="ResultNotStorable", message=clean_text(reason), retryable=False, result_repr=short_repr(result)
        )


def _unfit(payload: bytes, error: BaseException, registration: Registration) -> Raised:
    if isinstance(error, msgspec.MsgspecError | ValueError | RecursionError):
        return Raised(error="InvalidPayload", message=clean_text(f"payload: {error}"), retryable=False)
    # A constructor of the user's payload type ran and raised something of its own.
    failure = failure_of(error, registration)
    return msgspec.structs.replace(failure, retryable=False)


def _own_callback(handler: Any) -> Callable[..., Any] | None:
    """The handler's `on_dead_letter`, unless it is the one that does nothing."""
    callback = getattr(handler, "on_dead_letter", None)
    if callback is None or getattr(callback, "__func__", None) is ActivityHandler.on_dead_letter:
        return None
    return cast("Callable[..., Any]", callback)


def _never(*_: Any) -> None:
    raise AssertionError("a handler that could not be made was called")
