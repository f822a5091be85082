"""Cancelling one activity."""

from __future__ import annotations

from enum import StrEnum
from typing import Any, NamedTuple

from rrqmp.model.status import ActivityStatus
from rrqmp.store.keys import QueueKeys
from rrqmp.store.rules import StoreRules
from rrqmp.store.script import Call, load_script


class CancelOutcome(StrEnum):
    """`requested`: it runs, and its node was told. `ended`: too late, it had ended before."""

    CANCELLED = "cancelled"
    REQUESTED = "requested"
    ENDED = "ended"
    UNKNOWN = "unknown"


class CancelReply(NamedTuple):
    """`status` is the state that the activity is in now; `None` for an unknown one."""

    outcome: CancelOutcome
    status: ActivityStatus | None


def cancel(keys: QueueKeys, rules: StoreRules, activity_id: str) -> Call[CancelReply]:
    """Ends a waiting activity as cancelled, or asks for the end of a running one."""
    return Call(load_script("cancel"), keys.script_keys, (activity_id, rules.packed), _read)


def _read(reply: Any) -> CancelReply:
    outcome, status = reply
    return CancelReply(CancelOutcome(outcome.decode()), ActivityStatus(status.decode()) if status else None)
