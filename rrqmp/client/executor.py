"""The producer: checks, sends, hands out futures. Thread-safe; a fork gets its own connections."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import timedelta
from types import TracebackType
from typing import Any, Final, Self, overload

from typing_extensions import TypeVar, Unpack

from rrqmp.client.batch import Batch
from rrqmp.client.builder import ActivityBuilder
from rrqmp.client.future import ActivityFuture
from rrqmp.client.preparation import Prepared, Preparer, chunks
from rrqmp.client.queue import ActivityQueue
from rrqmp.client.reach import Reach
from rrqmp.client.redis_config import RedisConfig
from rrqmp.client.targets import Resolved, Target
from rrqmp.client.verdict import refusal
from rrqmp.errors import BatchSubmissionError, ConfigurationError, WorkerError
from rrqmp.model.codec import DEFAULT_LIMIT_BYTES
from rrqmp.model.ids import is_activity_id
from rrqmp.model.names import check_queue_name
from rrqmp.model.options import BulkOptions, Options
from rrqmp.model.priority import DEFAULT_AGING_SECONDS
from rrqmp.model.units import check_bytes, check_seconds
from rrqmp.store.calls.enqueue import Acceptance, EnqueueVerdict, Submission, enqueue
from rrqmp.store.keys import QueueKeys
from rrqmp.store.rules import StoreRules

P = TypeVar("P", default=Any)
R = TypeVar("R", default=Any)

DEFAULT_URL: Final = "redis://127.0.0.1:6379"
DEFAULT_QUEUE: Final = "default"
DEFAULT_PREFIX: Final = "rrqmp"
DEFAULT_RESEND_SECONDS: Final = 30.0


class ActivityExecutor:
    """Submits activities to one queue. Made by `connect`, by an engine or, inside a handler, by its context."""

    def __init__(self, reach: Reach, keys: QueueKeys, rules: StoreRules, preparer: Preparer) -> None:
        self._reach = reach
        self._keys = keys
        self._rules = rules
        self._preparer = preparer
        self._is_view = False

    @classmethod
    def connect(
        cls,
        url: str = DEFAULT_URL,
        queue: str = DEFAULT_QUEUE,
        *,
        redis_config: RedisConfig | None = None,
        prefix: str = DEFAULT_PREFIX,
        payload_limit: int | str = DEFAULT_LIMIT_BYTES,
        priority_aging: float | timedelta | None = DEFAULT_AGING_SECONDS,
        resend_seconds: float | timedelta = DEFAULT_RESEND_SECONDS,
    ) -> Self:
        """An executor for producers without handlers. No I/O before the first submission.

        `prefix` and `priority_aging` (`None` is strict order) must be those of the workers' settings. While Redis is
        away a call is sent again for `resend_seconds`.
        """
        aging = None if priority_aging is None else check_seconds(priority_aging, "priority_aging")
        return cls(
            Reach(url, redis_config or RedisConfig(), resend_seconds=check_seconds(resend_seconds, "resend_seconds")),
            QueueKeys(check_queue_name(queue), check_prefix(prefix)),
            StoreRules(priority_aging=aging),
            Preparer(check_bytes(payload_limit, "payload_limit")),
        )

    @property
    def queue_name(self) -> str:
        """The queue that it submits to."""
        return self._keys.queue

    @property
    def activity_queue(self) -> ActivityQueue:
        """The queue as an operator sees it."""
        return ActivityQueue(self._reach.run, self._keys, self._rules)

    @overload
    def execute(self, activity: Target[P, R], payload: P, /, **options: Unpack[Options]) -> ActivityFuture[R]: ...

    @overload
    def execute(self, activity: str, payload: Any = None, /, **options: Unpack[Options]) -> ActivityFuture[Any]: ...

    def execute(self, activity: object, payload: object = None, /, **options: Unpack[Options]) -> ActivityFuture[Any]:
        """Submits one activity, accepted when this returns; sends again with the same id while Redis is away.

        Raises `ConfigurationError` (a wrong option or name), `InvalidPayload`, `DuplicateActivity`, `QueueFull` or
        `StoreUnavailable`.
        """
        return self.send(self._preparer.one(activity, payload, options, self._reach.reply_for(self._keys)))

    @overload
    def execute_many(
        self,
        activity: Target[P, R],
        payloads: Iterable[P],
        /,
        *,
        key: Callable[[P], str] | None = None,
        **options: Unpack[BulkOptions],
    ) -> Batch[R]: ...

    @overload
    def execute_many(
        self,
        activity: str,
        payloads: Iterable[Any],
        /,
        *,
        key: Callable[[Any], str] | None = None,
        **options: Unpack[BulkOptions],
    ) -> Batch[Any]: ...

    def execute_many(
        self,
        activity: object,
        payloads: Iterable[Any],
        /,
        *,
        key: Callable[[Any], str] | None = None,
        **options: Unpack[BulkOptions],
    ) -> Batch[Any]:
        """Submits one activity a payload, in order. All are checked before the first is sent; `key` makes their keys.

        Sent in chunks; raises `BatchSubmissionError` with what went and what failed if a chunk or a key is refused.
        """
        reply = self._reach.reply_for(self._keys)
        submissions, resolved = self._preparer.many(activity, payloads, key, options, reply)
        futures = [self._future(submission, resolved) for submission in submissions]
        if reply:
            for future in futures:
                self._reach.announce(future)
        failures: list[tuple[Submission, Exception]] = []
        sent = 0
        for chunk in chunks(submissions):
            try:
                verdicts = self._reach.run(enqueue(self._keys, self._rules, chunk))
            except WorkerError as error:
                # The rest is not tried: what failed for this chunk would most likely fail for each of them.
                failures += [(submission, error) for submission in submissions[sent:]]
                break
            for place, (submission, verdict) in enumerate(zip(chunk, verdicts, strict=True), sent):
                if verdict.kind is not Acceptance.CREATED and verdict.kind is not Acceptance.EXISTS:
                    self._place_other(futures, place, submission, verdict, resolved, failures)
            sent += len(chunk)
        if failures:
            raise _batch_error(submissions, failures)
        for place, future in enumerate(futures):
            future.index = place
        return Batch(futures)

    @overload
    def activity(self, activity: Target[P, R], /) -> ActivityBuilder[P, R]: ...

    @overload
    def activity(self, activity: str, /) -> ActivityBuilder[Any, Any]: ...

    def activity(self, activity: object, /) -> ActivityBuilder[Any, Any]:
        """Begins a sentence: `executor.activity("render").payload(job).priority(HIGH).execute()`."""
        self._preparer.targets.resolve(activity)
        return ActivityBuilder(self, activity)

    def future(self, activity_id: str, activity: object = "activity", /) -> ActivityFuture[Any]:
        """The future of an activity that was submitted elsewhere; `activity` gives the type of its result."""
        if not is_activity_id(activity_id):
            raise ConfigurationError(f"{activity_id!r} is no activity id: give one as future.activity_id shows it")
        resolved = self._preparer.targets.resolve(activity)
        return ActivityFuture(
            self._reach, self._keys, activity_id, resolved.activity_type, resolved.results, is_new=False
        )

    def prepare(self, activity: object, payload: object, options: Mapping[str, Any]) -> Prepared:
        """Checks a submission and gives it its id; what `ActivityBuilder.prepare` stands on."""
        return self._preparer.one(activity, payload, options, self._reach.reply_for(self._keys))

    def send(self, prepared: Prepared) -> ActivityFuture[Any]:
        """Sends a prepared submission; sent twice it is the same activity."""
        submission, resolved = prepared
        future = self._future(submission, resolved)
        if submission.reply:
            # Before it is sent: its end may be told before the answer to the enqueue is read.
            self._reach.announce(future)
        verdict = self._reach.run(enqueue(self._keys, self._rules, (submission,)))[0]
        if verdict.kind is Acceptance.CREATED or verdict.kind is Acceptance.EXISTS:
            return future
        error = refusal(submission, verdict)
        if error is not None:
            raise error
        return self._owner(verdict, resolved)

    def for_queue(self, queue: str) -> ActivityExecutor:
        """The same executor for another queue of the same server, over the same connections."""
        return self._view(QueueKeys(check_queue_name(queue), self._keys.prefix), self._preparer)

    def for_parent(self, activity_id: str, queue: str) -> ActivityExecutor:
        """The executor of a handler: what it submits names its parent, and keys count inside that parent."""
        keys = self._keys if queue == self._keys.queue else QueueKeys(queue, self._keys.prefix)
        preparer = Preparer(self._preparer.payload_limit, activity_id, self._preparer.targets)
        return self._view(keys, preparer)

    def close(self) -> None:
        """Closes this process's connections; may be called twice. A view leaves them to the executor it came from."""
        if not self._is_view:
            self._reach.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<ActivityExecutor of queue {self._keys.queue!r}>"

    def _view(self, keys: QueueKeys, preparer: Preparer) -> ActivityExecutor:
        view = ActivityExecutor(self._reach, keys, self._rules, preparer)
        view._is_view = True
        return view

    def _future(self, submission: Submission, resolved: Resolved) -> ActivityFuture[Any]:
        return ActivityFuture(
            self._reach, self._keys, submission[0], resolved.activity_type, resolved.results, is_new=True
        )

    def _owner(self, verdict: EnqueueVerdict, resolved: Resolved) -> ActivityFuture[Any]:
        return ActivityFuture(
            self._reach, self._keys, verdict.activity_id, resolved.activity_type, resolved.results, is_new=False
        )

    def _place_other(
        self,
        futures: list[ActivityFuture[Any]],
        place: int,
        submission: Submission,
        verdict: EnqueueVerdict,
        resolved: Resolved,
        failures: list[tuple[Submission, Exception]],
    ) -> None:
        error = refusal(submission, verdict)
        if error is None:
            futures[place] = self._owner(verdict, resolved)
        else:
            failures.append((submission, error))


def check_prefix(prefix: object) -> str:
    """The beginning of all keys; raises `ConfigurationError`."""
    if not isinstance(prefix, str) or not prefix or not prefix.isprintable() or "{" in prefix or "}" in prefix:
        raise ConfigurationError(f"prefix is {prefix!r}: give printable characters without braces, such as 'rrqmp'")
    return prefix


def _batch_error(
    submissions: Sequence[Submission], failures: Sequence[tuple[Submission, Exception]]
) -> BatchSubmissionError:
    failed = {submission.activity_id for submission, _ in failures}
    submitted = [item.activity_id for item in submissions if item.activity_id not in failed]
    first = failures[0][1]
    error = BatchSubmissionError(
        f"{len(failed)} of {len(submissions)} activities were not accepted; the first: {first}",
        submitted,
        [submission.activity_id for submission, _ in failures],
    )
    error.__cause__ = first if isinstance(first, WorkerError) else None
    return error
