"""The whole error tree on one page: what rrqmp raises, and what user code raises to steer an attempt."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from rrqmp.model.attempt import Attempt


class WorkerError(Exception):
    """Root of everything that rrqmp raises; `is_retryable` says whether the same call may succeed later."""

    is_retryable = False


class ConfigurationError(WorkerError, ValueError):
    """A setting, a name, an application or a registration is wrong; the message names the value and the remedy."""


class AlreadyRunning(WorkerError):
    """This engine has been started and has not stopped yet."""


class ApplicationError(ConfigurationError):
    """The application could not be imported or holds no engine; `traceback` is the application's own."""

    def __init__(self, message: str, traceback: str = "") -> None:
        super().__init__(message, traceback)
        self.message = message
        self.traceback = traceback

    def __str__(self) -> str:
        return f"{self.message}\n{self.traceback}".rstrip()


# What the store says.


class StoreError(WorkerError):
    """Redis answered something that the call cannot use."""


class StoreUnavailable(StoreError, ConnectionError):
    """Redis could not be reached, or did not answer, within the time that the call allows."""

    is_retryable = True


class UnsupportedServer(StoreError):
    """The server cannot keep the promises: too old, evicts keys, or lacks a command."""


# What a submission meets.


class SubmissionError(WorkerError):
    """An activity was not accepted; nothing of it was stored."""


class InvalidPayload(SubmissionError, ValueError):
    """The payload cannot be JSON, or does not fit the declared type; the message holds the path to the fault."""


class PayloadTooLarge(InvalidPayload):
    """The encoded payload is larger than the limit."""


class DuplicateActivity(SubmissionError):
    """The idempotency key is taken and the submission allows no reuse; `activity_id` is the owner's."""

    def __init__(self, message: str, activity_id: str = "") -> None:
        super().__init__(message, activity_id)
        self.activity_id = activity_id

    def __str__(self) -> str:
        return str(self.args[0])


class IdempotencyConflict(DuplicateActivity):
    """The idempotency key is held by an activity that did not fail."""


class QueueFull(SubmissionError):
    """The queue holds as many waiting activities as it may, or the server is out of memory."""

    is_retryable = True


class BatchSubmissionError(SubmissionError):
    """Part of a batch went. `submitted` and `failed` hold activity ids, `failed_places` the numbers of the payloads.

    Where Redis went away in the middle, up to one bite of the failed may have been accepted and the answer lost.
    """

    is_retryable = True

    def __init__(
        self,
        message: str,
        submitted: Sequence[str] = (),
        failed: Sequence[str] = (),
        failed_places: Sequence[int] = (),
    ) -> None:
        super().__init__(message, submitted, failed, failed_places)
        self.submitted = tuple(submitted)
        self.failed = tuple(failed)
        self.failed_places = tuple(failed_places)

    def __str__(self) -> str:
        return str(self.args[0])


# What waiting for a result meets.


class ResultError(WorkerError):
    """A result is not to be had."""


class ActivityNotFound(ResultError, LookupError):
    """No activity of this id is known to the queue."""


class ResultExpired(ResultError):
    """The activity has ended and its result's time to live is over."""


class ResultTimeout(ResultError, TimeoutError):
    """The wait was given up; the activity itself goes on."""

    is_retryable = True


class SignatureRefused(ResultError):
    """A call or a result was not signed for this use, was altered or has expired; nothing in it was read."""


class ActivityUnsuccessful(ResultError):
    """The activity ended without a result; `record` is its last attempt, `attempts` all that are kept."""

    def __init__(self, message: str, record: Attempt | None = None, attempts: Sequence[Attempt] = ()) -> None:
        super().__init__(message, record, attempts)
        self.record = record
        self.attempts = tuple(attempts)

    def __str__(self) -> str:
        return str(self.args[0])


class ActivityFailed(ActivityUnsuccessful):
    """The handler raised, or its result could not be stored."""


class ActivityTimedOut(ActivityUnsuccessful):
    """The process was killed at the attempt's deadline."""


class ActivityCrashed(ActivityUnsuccessful):
    """The process died under the handler, by a signal or an exit that nobody ordered."""


class ActivityOutOfMemory(ActivityUnsuccessful):
    """The process was killed for its memory."""


class ActivityCancelled(ActivityUnsuccessful):
    """Somebody cancelled the activity."""


class ActivityExpired(ActivityUnsuccessful):
    """The activity was not started before its expiry."""


class ActivityDiscarded(ActivityUnsuccessful):
    """Somebody discarded the dead letter."""


# What user code raises.


class ActivityError(Exception):
    """Root of what a handler raises to steer its attempt."""


class Retry(ActivityError):
    """Ends the attempt and asks for another, after `delay` seconds or, without it, after the policy's delay."""

    def __init__(self, message: str = "", *, delay: float | None = None) -> None:
        super().__init__(message)
        self.delay = delay

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild_retry, (type(self), self.args[0], self.delay)


def _rebuild_retry(kind: type[Retry], message: str, delay: float | None) -> Retry:
    return kind(message, delay=delay)


@runtime_checkable
class RetryableError(Protocol):
    """What any exception may say of itself: `is_retryable`, a truth value or a method that returns one."""

    @property
    def is_retryable(self) -> bool | Callable[[], bool]: ...


class NonRetry(ActivityError):
    """Ends the activity at once: it becomes a dead letter."""


class Release(ActivityError):
    """Gives the activity back without an attempt charged: at once, or after `delay` seconds.

    `checkpoint`, if given, is stored first: JSON of at most 64 KiB.
    """

    def __init__(self, message: str = "", *, checkpoint: Any = None, delay: float | None = None) -> None:
        super().__init__(message)
        self.checkpoint = checkpoint
        self.delay = delay

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild_release, (type(self), self.args[0], self.checkpoint, self.delay)


def _rebuild_release(kind: type[Release], message: str, checkpoint: Any, delay: float | None) -> Release:
    return kind(message, checkpoint=checkpoint, delay=delay)


class StaleAttempt(WorkerError):
    """This attempt is not its activity's current one any more: somebody else runs or has ended it. Stop working."""


class SoftTimeout(BaseException):
    """Is raised inside a handler when its soft limit comes; no `except Exception` swallows it."""
