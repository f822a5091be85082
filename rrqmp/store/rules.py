"""The constants that the scripts work by. They travel with each call and are stored nowhere."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rrqmp.model.priority import DEFAULT_AGING_SECONDS, head_start_us

if TYPE_CHECKING:
    from rrqmp.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreRules:
    """What one queue's scripts are told. `priority_aging` in seconds, `None` is strict order.

    `result_ttl` and `key_ttl` are the defaults for records and idempotency keys after the end; both are at least 60 s,
    so that a client that sends again never meets an id that was forgotten. All in seconds.
    """

    priority_aging: float | None = DEFAULT_AGING_SECONDS
    max_crashes: int = 3
    max_losses: int = 5
    result_ttl: float = 86_400.0
    key_ttl: float = 86_400.0
    lease: float = 10.0
    # The form the scripts read: head start (us), max crashes, max losses, result ttl (ms), key ttl (ms), lease (us).
    packed: str = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        words = (
            head_start_us(self.priority_aging),
            self.max_crashes,
            self.max_losses,
            max(60_000, round(self.result_ttl * 1000)),
            max(60_000, round(self.key_ttl * 1000)),
            round(self.lease * 1_000_000),
        )
        object.__setattr__(self, "packed", " ".join(map(str, words)))


def rules_of(settings: Settings) -> StoreRules:
    """The constants as the settings have them, for workers and for whoever works on their queues from outside."""
    return StoreRules(
        priority_aging=settings.priority_aging,
        max_crashes=settings.max_crashes,
        max_losses=settings.max_losses,
        result_ttl=settings.result_ttl,
        key_ttl=settings.idempotency_ttl,
        lease=settings.lease,
    )
