"""What every executor does without I/O: checks and descriptions going out, verdicts coming back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Final, Generic, Protocol, Self, TypedDict, TypeVar

from rrqmp.client.handle import ActivityHandle
from rrqmp.client.preparation import Prepared, Preparer, chunks
from rrqmp.client.redis_config import RedisConfig, check_redis_config
from rrqmp.client.steps import Steps
from rrqmp.client.targets import Resolved
from rrqmp.client.verdict import batch_refusal, queue_full, refusal
from rrqmp.errors import ConfigurationError, SubmissionError, WorkerError
from rrqmp.model.codec import DEFAULT_LIMIT_BYTES
from rrqmp.model.ids import is_activity_id
from rrqmp.model.names import check_queue_name, did_you_mean
from rrqmp.model.priority import DEFAULT_AGING_SECONDS
from rrqmp.model.units import check_bytes, check_seconds
from rrqmp.store.calls.enqueue import Acceptance, EnqueueVerdict, Submission, enqueue
from rrqmp.store.keys import QueueKeys
from rrqmp.store.rules import StoreRules
from rrqmp.store.script import Call

DEFAULT_URL: Final = "redis://127.0.0.1:6379"
DEFAULT_QUEUE: Final = "default"
DEFAULT_PREFIX: Final = "rrqmp"
DEFAULT_RESEND_SECONDS: Final = 30.0

F = TypeVar("F", bound=ActivityHandle[Any])


class ConnectOptions(TypedDict, total=False):
    """Keywords of `ActivityExecutor.connect`.

    `prefix` and `priority_aging` (seconds, `None` is strict order) must be those of the workers' settings. While Redis
    is away a call is sent again for `resend_seconds`. With `max_pending` (0 for no limit) a submission after which more
    than so many would wait in the queue is refused as `QueueFull`.
    """

    redis_config: RedisConfig | None
    prefix: str
    payload_limit: int | str
    priority_aging: float | timedelta | None
    resend_seconds: float | timedelta
    max_pending: int


class Telling(Protocol):
    """Where ends are told, as far as a submission cares."""

    def reply_for(self, keys: QueueKeys) -> str:
        """What a submission says as its reply channel, empty while nobody listens."""
        ...

    def announce(self, handle: ActivityHandle[Any]) -> None:
        """Before a submission with a reply channel is sent."""


@dataclass(frozen=True, slots=True)
class Desk:
    """Where and by which rules an executor submits."""

    keys: QueueKeys
    rules: StoreRules
    preparer: Preparer
    max_pending: int = 0

    def for_queue(self, queue: str, max_pending: int | None) -> Desk:
        """The same for another queue."""
        keys = QueueKeys(check_queue_name(queue), self.keys.prefix)
        most = self.max_pending if max_pending is None else check_max_pending(max_pending)
        return replace(self, keys=keys, max_pending=most)

    def for_parent(self, activity_id: str, queue: str) -> Desk:
        """What a handler submits names its parent, and keys count inside that parent."""
        keys = self.keys if queue == self.keys.queue else QueueKeys(queue, self.keys.prefix)
        preparer = Preparer(self.preparer.payload_limit, activity_id, self.preparer.targets)
        return replace(self, keys=keys, preparer=preparer)


class Submitter(Generic[F]):
    """The side that a blocking and an asyncio executor have in common. `F` is the kind of future that it hands out."""

    def __init__(self, telling: Telling, desk: Desk) -> None:
        self._telling = telling
        self._desk = desk
        self._keys = desk.keys
        self._rules = desk.rules
        self._preparer = desk.preparer
        self._max_pending = desk.max_pending

    @property
    def queue_name(self) -> str:
        """The queue that it submits to."""
        return self._keys.queue

    def prepare(self, activity: object, payload: object, options: Mapping[str, Any]) -> Prepared:
        """Checks a submission and gives it its id; what the builder stands on."""
        return self._preparer.one(activity, payload, options, self._telling.reply_for(self._keys))

    def for_queue(self, queue: str, *, max_pending: int | None = None) -> Self:
        """The same executor for another queue of the same server, over the same connections.

        `max_pending` of that queue, 0 for no limit; without it this executor's holds there too.
        """
        return self._view(self._desk.for_queue(queue, max_pending))

    def for_parent(self, activity_id: str, queue: str) -> Self:
        """The executor of a handler: what it submits names its parent, and keys count inside that parent."""
        return self._view(self._desk.for_parent(activity_id, queue))

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of queue {self._keys.queue!r}>"

    def _future(self, activity_id: str, activity: object) -> F:
        if not is_activity_id(activity_id):
            raise ConfigurationError(f"{activity_id!r} is no activity id: give one as future.activity_id shows it")
        return self._make(activity_id, self._preparer.targets.resolve(activity), is_new=False)

    def _make(self, activity_id: str, resolved: Resolved, *, is_new: bool) -> F:
        raise NotImplementedError

    def _view(self, desk: Desk) -> Self:
        raise NotImplementedError

    def _begin(self, prepared: Prepared) -> tuple[F, Call[list[EnqueueVerdict]]]:
        """The future that it will have, and the call that sends it: not steps, since this is the hot path."""
        submission, resolved = prepared
        future = self._make(submission[0], resolved, is_new=True)
        if submission.reply and submission.reply == self._telling.reply_for(self._keys):
            # Before it is sent: its end may be told before the answer to the enqueue is read. What was prepared for a
            # connection that is closed by now is asked for like a stranger's.
            self._telling.announce(future)
        return future, enqueue(self._keys, self._rules, (submission,), max_pending=self._max_pending)

    def _end(self, prepared: Prepared, future: F, verdicts: list[EnqueueVerdict]) -> F:
        verdict = verdicts[0]
        if verdict.kind is Acceptance.CREATED:
            return future
        return self._other(prepared.submission, prepared.resolved, future, verdict)

    def _other(self, submission: Submission, resolved: Resolved, future: F, verdict: EnqueueVerdict) -> F:
        """The future of what was not created by this very call; raises where it was refused."""
        if verdict.kind is Acceptance.EXISTS:
            # Sent before: it may have ended and been told before this future was there to hear it, so it is to ask.
            future._epoch = None
            return future
        error = refusal(submission, verdict, self._keys.queue, self._max_pending)
        if error is not None:
            raise error
        return self._make(verdict.activity_id, resolved, is_new=False)

    def _sending(self, submissions: Sequence[Submission], resolved: Resolved) -> Steps[list[F]]:
        """Sends many in bites; raises `BatchSubmissionError` once all that can go has gone."""
        futures = [self._make(submission.activity_id, resolved, is_new=True) for submission in submissions]
        if submissions and submissions[0].reply and submissions[0].reply == self._telling.reply_for(self._keys):
            for future in futures:
                self._telling.announce(future)
        failures: dict[int, WorkerError] = {}
        place = 0
        for chunk in chunks(submissions):
            try:
                verdicts = yield enqueue(self._keys, self._rules, chunk, max_pending=self._max_pending)
                if verdicts[0].kind is Acceptance.FULL:
                    raise queue_full(self._keys.queue, self._max_pending)
            except WorkerError as error:
                # The rest is not tried: what failed for this chunk would most likely fail for each of them.
                failures.update(dict.fromkeys(range(place, len(submissions)), error))
                break
            for submission, verdict in zip(chunk, verdicts, strict=True):
                if verdict.kind is not Acceptance.CREATED:
                    try:
                        futures[place] = self._other(submission, resolved, futures[place], verdict)
                    except SubmissionError as error:
                        failures[place] = error
                place += 1
        if failures:
            raise batch_refusal([future.activity_id for future in futures], failures)
        for place, future in enumerate(futures):
            future.index = place
        return futures


def desk_of(queue: str, options: ConnectOptions) -> Desk:
    """Checks what `connect` was given about queue and rules; raises `ConfigurationError`."""
    for name in options:
        if name not in ConnectOptions.__annotations__:
            raise ConfigurationError(f"connect has no {name!r}: {did_you_mean(name, ConnectOptions.__annotations__)}")
    aging = options.get("priority_aging", DEFAULT_AGING_SECONDS)
    return Desk(
        QueueKeys(check_queue_name(queue), check_prefix(options.get("prefix", DEFAULT_PREFIX))),
        StoreRules(priority_aging=None if aging is None else check_seconds(aging, "priority_aging")),
        Preparer(check_bytes(options.get("payload_limit", DEFAULT_LIMIT_BYTES), "payload_limit")),
        check_max_pending(options.get("max_pending", 0)),
    )


def redis_config_of(options: ConnectOptions) -> RedisConfig:
    """The shape of the pool; raises `ConfigurationError`."""
    return check_redis_config(options.get("redis_config")) or RedisConfig()


def resend_seconds_of(options: ConnectOptions) -> float:
    """For how long a call is sent again."""
    return check_seconds(options.get("resend_seconds", DEFAULT_RESEND_SECONDS), "resend_seconds")


def check_max_pending(value: object) -> int:
    """How many may wait, 0 for no limit; raises `ConfigurationError`."""
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ConfigurationError(f"max_pending is {value!r}: give a number of waiting activities, or 0 for no limit")
    return value


def check_prefix(prefix: object) -> str:
    """The beginning of all keys; raises `ConfigurationError`."""
    if not isinstance(prefix, str) or not prefix or not prefix.isprintable() or "{" in prefix or "}" in prefix:
        raise ConfigurationError(f"prefix is {prefix!r}: give printable characters without braces, such as 'rrqmp'")
    return prefix
