"""An activity as a reader sees it: the record behind `rrqmp show` and behind a future."""

from __future__ import annotations

from dataclasses import dataclass

from rrqmp.model.attempt import Attempt
from rrqmp.model.priority import ActivityPriority
from rrqmp.model.spec import Spec
from rrqmp.model.status import ActivityStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class ActivityRecord:
    """One activity in full. Times are seconds since 1970; `payload` and `result` are undecoded JSON.

    `attempts` are those that were kept, oldest first, the final one last. `reason` names a dead letter that no
    handler caused: `poisoned`, `lost` or `corrupt`. `children` are the first of those in the same queue,
    `progress` is what the handler published last, empty where it never did.
    """

    activity_id: str
    activity_type: str
    status: ActivityStatus
    priority: ActivityPriority | None
    spec: Spec
    payload: bytes
    attempt: int = 0
    crashes: int = 0
    losses: int = 0
    attempts: tuple[Attempt, ...] = ()
    result: bytes = b""
    reason: str = ""
    owner: str = ""
    due_at: float | None = None
    ended_at: float | None = None
    cancel_requested: bool = False
    children_count: int = 0
    children: tuple[str, ...] = ()
    checkpoint_bytes: int = 0
    progress: bytes = b""

    @property
    def parent(self) -> str:
        """The id of the activity that submitted this one, empty where it was none."""
        return self.spec.parent
