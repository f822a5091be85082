"""From a function and its arguments to a sealed parcel on its way. It knows the pool's thread, and not the executor."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any, Final, TypedDict

import msgspec

from rrqmp.errors import PayloadTooLarge
from rrqmp.model.ids import new_activity_id
from rrqmp.model.options import CheckedOptions, check_options
from rrqmp.model.priority import ActivityPriority
from rrqmp.model.retry import UNLIMITED, RetryPolicy
from rrqmp.model.spec import Spec
from rrqmp.pool.dispatcher import Dispatcher, PendingCall
from rrqmp.pool.future import PoolFuture
from rrqmp.pool.pickling import SentCall, pickle_call, run_chunk
from rrqmp.pool.signing import Direction, Signer, text_bytes
from rrqmp.telemetry.carrier import current_carrier

# How long a result waits for a client that is away.
_RESULT_TTL_SECONDS: Final = 3600.0
_ENDLESS: Final = 2**31
_ONCE: Final = RetryPolicy(max_retries=0)
_encoder: Final = msgspec.msgpack.Encoder()
# Bytes become base64: the payload of every activity is JSON.
_json: Final = msgspec.json.Encoder()


class CallOptions(TypedDict, total=False):
    """Keywords of `PoolExecutor.options`; durations are seconds or timedeltas, `None` leaves the default.

    `timeout` kills the call, `soft_timeout` raises `SoftTimeout` in it. `max_retries` (default 0) runs it again after
    an exception or a time-out, never after a crash.
    """

    timeout: float | timedelta | None
    soft_timeout: float | timedelta | None
    max_retries: int | None
    retry: RetryPolicy | None
    priority: ActivityPriority | None
    metadata: Mapping[str, str] | None


class CallPlan(msgspec.Struct, frozen=True):
    """The options of a call as its activity has them."""

    spec: Spec
    priority: int
    max_retries: int


def plan_call(options: CheckedOptions) -> CallPlan:
    """Runs once unless the options say otherwise."""
    most = options.spec.policy(_ONCE).max_retries
    spec = msgspec.structs.replace(options.spec, max_retries=most, result_ttl=_RESULT_TTL_SECONDS)
    return CallPlan(spec, int(options.priority), _ENDLESS if most == UNLIMITED else most)


PLAIN: Final = plan_call(check_options({}))


class CallSubmitter:
    """Pickles and seals calls in the caller's thread and hands them to the pool's."""

    __slots__ = ("_is_remote", "_limit", "_signer", "_valid_seconds", "dispatcher")

    def __init__(
        self, dispatcher: Dispatcher, signer: Signer, *, limit: int, valid_seconds: float, is_remote: bool
    ) -> None:
        self.dispatcher = dispatcher
        self._is_remote = is_remote
        self._signer = signer
        self._limit = limit
        self._valid_seconds = valid_seconds

    def submit(
        self, plan: CallPlan, function: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> PoolFuture[Any]:
        """Raises where no calls are taken; what is wrong with this one call is its future's affair."""
        return self._submit(plan, _name(function), function, args, kwargs)

    def submit_piece(
        self, plan: CallPlan, function: Callable[..., Any], piece: list[tuple[Any, ...]]
    ) -> PoolFuture[list[Any]]:
        """Several calls of one `map` as one."""
        return self._submit(plan, _name(function), run_chunk, (function, piece), {})

    def _submit(
        self, plan: CallPlan, name: str, function: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> PoolFuture[Any]:
        self.dispatcher.refuse_when_closed()
        future: PoolFuture[Any] = PoolFuture(new_activity_id(), name, on_shared_workers=self._is_remote)
        try:
            payload = self._seal(future, plan, pickle_call(function, args, kwargs))
        except Exception as error:  # noqa: BLE001 - reducers of user objects raise what they like
            future.set_running_or_notify_cancel()
            future.set_exception(error.with_traceback(None))
            return future
        trace = current_carrier()
        spec = plan.spec if trace is None else msgspec.structs.replace(plan.spec, trace=trace)
        self.dispatcher.submit(PendingCall(future, payload, spec, plan.priority))
        return future

    def _seal(self, future: PoolFuture[Any], plan: CallPlan, pickled: bytes) -> bytes:
        body = _encoder.encode(SentCall(pickled, plan.max_retries))
        parcel = self._signer.seal(Direction.CALL, future.activity_id, body, valid_seconds=self._valid_seconds)
        size = text_bytes(parcel)
        if size > self._limit:
            raise PayloadTooLarge(
                f"{future.what}: the call is {size} bytes as it is sent, at most {self._limit}: pass the "
                "path of a file instead of its content, or raise payload_limit"
            )
        return _json.encode(parcel)


def _name(function: object) -> str:
    return str(getattr(function, "__qualname__", None) or type(function).__qualname__)
