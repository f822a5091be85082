"""What a handler is told about the activity that it runs, and what it can ask for. Made once an activity: kept lean."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Coroutine, Mapping, MutableMapping
from contextlib import AbstractContextManager, nullcontext
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final, Generic, Protocol, overload

from typing_extensions import TypeVar

from rrqmp.errors import StaleAttempt
from rrqmp.handling.checkpoints import decode_checkpoint, encode_checkpoint
from rrqmp.model.progress import cut_message, millionths

if TYPE_CHECKING:
    # For type checkers alone: what a handler submits with is the same class that a producer has.
    from rrqmp.aio.executor import ActivityExecutor as AsyncExecutor
    from rrqmp.client.executor import ActivityExecutor

# The executor that it hands out; `rrqmp.aio.ActivityContext` is the one of `async def` handlers.
E_co = TypeVar("E_co", covariant=True, default="ActivityExecutor")

_BY_HAND: Final = (
    "this context was made by hand and has no queue to submit to: rrqmp.testing.context(..., executor=...) gives it one"
)
_EMPTY: Final[Mapping[str, str]] = {}
_UNREAD: Final = object()
_log: Final = logging.getLogger("rrqmp.activity")


class Signals(Protocol):
    """What stands between a running handler and the world outside its process."""

    def cancelled(self) -> bool: ...

    def stopping(self) -> bool: ...

    def report(self, activity_id: str, millionths: int | None, message: bytes) -> None: ...

    def save(self, activity_id: str, checkpoint: bytes) -> bool: ...

    def saved(self, activity_id: str) -> bytes: ...

    def shield(self) -> AbstractContextManager[None]: ...


class NoSignals:
    """Nobody calls: for a handler that is run by hand. What it saves is kept here, what it reports is forgotten."""

    def __init__(self, checkpoint: bytes = b"") -> None:
        self.checkpoint = checkpoint

    def cancelled(self) -> bool:
        """Never."""
        return False

    def stopping(self) -> bool:
        """Never."""
        return False

    def report(self, activity_id: str, millionths: int | None, message: bytes) -> None:
        """Nobody looks."""

    def save(self, activity_id: str, checkpoint: bytes) -> bool:
        """Kept in memory."""
        self.checkpoint = checkpoint
        return True

    def saved(self, activity_id: str) -> bytes:
        """What was saved last."""
        return self.checkpoint

    def shield(self) -> AbstractContextManager[None]:
        """There is nothing to hold off."""
        return nullcontext()


class _ActivityLogger(logging.LoggerAdapter[logging.Logger]):
    """Adds the ids to the caller's own fields; the library's adapter would drop those."""

    def process(self, msg: Any, kwargs: MutableMapping[str, Any]) -> tuple[Any, MutableMapping[str, Any]]:
        """The ids win where both name a field."""
        kwargs["extra"] = {**(kwargs.get("extra") or {}), **(self.extra or {})}
        return msg, kwargs


class CancelReason(StrEnum):
    """Why a handler should end early."""

    CANCELLED = "cancelled"
    DEADLINE = "deadline"
    STOPPING = "stopping"


class CancelToken:
    """Asks whether somebody cancelled the activity. A stop of the worker is `context.stopping`: it loses nothing."""

    __slots__ = ("_context",)

    def __init__(self, context: ActivityContext[Any]) -> None:
        self._context = context

    def is_cancelled(self) -> bool:
        """Whether the activity has been cancelled."""
        return self._context._signals.cancelled()

    @property
    def reason(self) -> CancelReason | None:
        """The strongest reason to end early, if there is one."""
        if self.is_cancelled():
            return CancelReason.CANCELLED
        if self._context.time_remaining() <= 0:
            return CancelReason.DEADLINE
        return CancelReason.STOPPING if self._context.stopping else None


class ActivityContext(Generic[E_co]):
    """One attempt of one activity. `attempt` counts from 1, `retry_count` from 0; `deadline` is `monotonic_ns` time."""

    __slots__ = (
        "_checkpoint",
        "_executor",
        "_logger",
        "_open_executor",
        "_signals",
        "activity_id",
        "activity_type",
        "attempt",
        "deadline",
        "metadata",
        "queue_name",
        "retry_count",
    )

    def __init__(
        self,
        activity_id: str,
        activity_type: str,
        *,
        queue_name: str,
        attempt: int,
        deadline: int,
        signals: Signals,
        metadata: Mapping[str, str] | None = None,
        retry_count: int | None = None,
    ) -> None:
        self.activity_id = activity_id
        self.activity_type = activity_type
        self.queue_name = queue_name
        self.attempt = attempt
        self.retry_count = attempt - 1 if retry_count is None else retry_count
        self.metadata = metadata or _EMPTY
        self.deadline = deadline
        self._signals = signals
        self._checkpoint: Any = _UNREAD
        self._open_executor: Callable[[], Any] | None = None
        self._executor: Any = None
        self._logger: logging.LoggerAdapter[logging.Logger] | None = None

    @property
    def cancel_token(self) -> CancelToken:
        """Whether the activity has been cancelled."""
        return CancelToken(self)

    @property
    def stopping(self) -> bool:
        """Whether the worker has been asked to stop; what still runs at the end of its patience goes back uncounted."""
        return self._signals.stopping()

    def time_remaining(self) -> float:
        """Seconds until the process is killed; negative after the deadline."""
        return (self.deadline - time.monotonic_ns()) / 1e9

    def progress(self, fraction: float | None, message: str = "") -> None:
        """Says how far it is, from 0 to 1; `None` where only the words count. Costs microseconds: call it at will.

        Readers see the latest a few times a second. Of the message 256 bytes are kept.
        """
        share = None if fraction is None else millionths(fraction)
        self._signals.report(self.activity_id, share, cut_message(message))

    @property
    def checkpoint(self) -> Any:
        """What an earlier attempt, or this one, saved last; `None` where nothing was. Read at the first use."""
        if self._checkpoint is _UNREAD:
            self._checkpoint = decode_checkpoint(self._signals.saved(self.activity_id))
        return self._checkpoint

    def save_checkpoint(self, state: Any) -> None:
        """Keeps `state` for the attempts to come: JSON of at most 64 KiB, gone when the activity has ended.

        Blocks for one round trip. Raises `InvalidPayload` or `PayloadTooLarge`, and `StaleAttempt` where the activity
        has been given to somebody else meanwhile: nothing is stored then.
        """
        encoded = encode_checkpoint(state)
        if not self._signals.save(self.activity_id, encoded):
            raise StaleAttempt(
                f"attempt {self.attempt} of {self.activity_type} {self.activity_id} is not its current one any more: "
                "the checkpoint was not stored, and the result would not be; return"
            )
        self._checkpoint = decode_checkpoint(encoded)

    def shield(self) -> AbstractContextManager[None]:
        """Holds off `SoftTimeout` and task cancellation while its block runs: they come at its end. May be nested.

        The hard limit goes on all the same.
        """
        return self._signals.shield()

    @property
    def activity_executor(self) -> E_co:
        """Submits to this activity's queue, as its child; connects at its first use in a worker.

        In an `async def` handler it is the asyncio one; `rrqmp.aio.ActivityContext` is the annotation that says so.
        """
        if self._executor is None:
            if self._open_executor is None:
                raise RuntimeError(_BY_HAND)
            self._executor = self._open_executor().for_parent(self.activity_id, self.queue_name)
        executor: E_co = self._executor
        return executor

    @overload
    def cancel_children(self: ActivityContext[ActivityExecutor], grace: float | timedelta | None = None) -> int: ...

    @overload
    def cancel_children(
        self: ActivityContext[AsyncExecutor], grace: float | timedelta | None = None
    ) -> Coroutine[Any, Any, int]: ...

    def cancel_children(self, grace: float | timedelta | None = None) -> Any:
        """Asks for the end of all that this activity has started in its queue, also in earlier attempts; how many.

        In an `async def` handler the answer is to be awaited.
        """
        executor: Any = self.activity_executor
        return executor.cancel_children(self.activity_id, grace)

    @property
    def logger(self) -> logging.LoggerAdapter[Any]:
        """Logs with the ids of the activity as fields."""
        if self._logger is None:
            fields = {"activity_id": self.activity_id, "activity_type": self.activity_type, "attempt": self.attempt}
            self._logger = _ActivityLogger(_log, fields)
        return self._logger
