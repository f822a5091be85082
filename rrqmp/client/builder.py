"""The sentence form of a submission: every step returns a new builder, so one can be kept and used again."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Generic, Protocol, Self

from typing_extensions import TypeVar

from rrqmp.client.future import ActivityFuture
from rrqmp.client.preparation import Prepared
from rrqmp.errors import ConfigurationError
from rrqmp.model.options import ActivityOption, OnDuplicate
from rrqmp.model.priority import ActivityPriority
from rrqmp.model.retry import RetryPolicy

P_contra = TypeVar("P_contra", contravariant=True, default=Any)
R_co = TypeVar("R_co", covariant=True, default=Any)


S = TypeVar("S", bound="Preparing")


class Preparing(Protocol):
    """An executor, as far as every builder needs it."""

    def prepare(self, activity: object, payload: object, options: Mapping[str, Any]) -> Prepared:
        """Checks a submission and gives it its id."""
        ...

    def for_queue(self, queue: str, *, max_pending: int | None = None) -> Self:
        """The same for another queue."""
        ...


class Sender(Preparing, Protocol):
    """An executor that blocks."""

    def send(self, prepared: Prepared) -> ActivityFuture[Any]:
        """Sends it; twice is harmless."""
        ...


class Checked(Generic[S]):
    """A submission that is checked and has its id, whoever will send it."""

    __slots__ = ("_prepared", "_sender")

    def __init__(self, sender: S, prepared: Prepared) -> None:
        self._sender = sender
        self._prepared = prepared

    @property
    def activity_id(self) -> str:
        """The id that the activity will have, unless an idempotency key turns out to be taken."""
        return self._prepared.submission.activity_id


class Sentence(Generic[S, P_contra]):
    """The steps of a submission in the making, whoever will send it. Values are checked at its end."""

    __slots__ = ("_activity", "_options", "_payload", "_sender")

    def __init__(
        self, sender: S, activity: object, payload: object = None, options: Mapping[str, Any] | None = None
    ) -> None:
        self._sender = sender
        self._activity = activity
        self._payload = payload
        self._options: Mapping[str, Any] = options or {}

    def payload(self, payload: P_contra) -> Self:
        """What the handler gets."""
        return self._copy(payload=payload)

    def priority(self, priority: ActivityPriority) -> Self:
        """How urgent it is; default `NORMAL`."""
        return self._with(priority=priority)

    def max_retries(self, max_retries: int) -> Self:
        """How often it runs again after failures: 0 or more, or `UNLIMITED`; default the handler's."""
        return self._with(max_retries=max_retries)

    def retry(self, policy: RetryPolicy) -> Self:
        """How often and how late it runs again; default the handler's."""
        return self._with(retry=policy)

    def timeout(self, timeout: float | timedelta) -> Self:
        """After which time an attempt's process is killed; default the handler's."""
        return self._with(timeout=timeout)

    def soft_timeout(self, soft_timeout: float | timedelta) -> Self:
        """After which time the handler itself is told, by `SoftTimeout`; shorter than `timeout`."""
        return self._with(soft_timeout=soft_timeout)

    def delay(self, delay: float | timedelta) -> Self:
        """How long from now it becomes ready."""
        return self._with(delay=delay)

    def at(self, moment: datetime) -> Self:
        """When it becomes ready; an aware datetime."""
        return self._with(at=moment)

    def expires(self, expires: float | timedelta | datetime) -> Self:
        """By when it must have started, as an aware datetime or a time from now; else it ends as expired."""
        return self._with(expires=expires)

    def metadata(self, metadata: Mapping[str, str]) -> Self:
        """Texts that the handler's context shows."""
        return self._with(metadata=metadata)

    def idempotency_key(
        self,
        key: str,
        on_duplicate: OnDuplicate = OnDuplicate.RETURN_EXISTING,
        *,
        ttl: float | timedelta | None = None,
    ) -> Self:
        """A key that only one activity of the type holds while it is unfinished and for `ttl` after."""
        return self._with(key=key, on_duplicate=on_duplicate, key_ttl=ttl)

    def result_ttl(self, ttl: float | timedelta) -> Self:
        """How long the record stays after the end."""
        return self._with(result_ttl=ttl)

    def option(self, option: ActivityOption) -> Self:
        """Several options as one value; what it leaves out stays as it is."""
        if not isinstance(option, ActivityOption):
            raise ConfigurationError(f"{option!r} is no ActivityOption: give one, or use the steps of the builder")
        return self._with(**{name: value for name, value in option.as_options().items() if value is not None})

    def queue(self, queue: str) -> Self:
        """Another queue than the executor's."""
        return self._copy(sender=self._sender.for_queue(queue))

    def _prepared(self) -> Prepared:
        return self._sender.prepare(self._activity, self._payload, self._options)

    def _with(self, **options: Any) -> Self:
        return self._copy(options={**self._options, **options})

    def _copy(self, **changes: Any) -> Self:
        parts = {
            "sender": self._sender, "activity": self._activity, "payload": self._payload, "options": self._options
        }  # fmt: skip
        return type(self)(**{**parts, **changes})


class PreparedActivity(Checked[Sender], Generic[R_co]):
    """A submission that is checked and has its id, and is not sent yet: for `on_commit(prepared.execute)`."""

    __slots__ = ()

    def execute(self) -> ActivityFuture[R_co]:
        """Sends it; a second time is the same activity, as long as its record is kept."""
        return self._sender.send(self._prepared)


class ActivityBuilder(Sentence[Sender, P_contra], Generic[P_contra, R_co]):
    """One submission in the making. Values are checked by `execute` and `prepare`."""

    __slots__ = ()

    def prepare(self) -> PreparedActivity[R_co]:
        """Checks everything and makes the id; nothing is sent."""
        return PreparedActivity(self._sender, self._prepared())

    def execute(self) -> ActivityFuture[R_co]:
        """Checks everything and sends it."""
        return self._sender.send(self._prepared())
