"""Cancelling: one activity, or the children of one; and the order that a node gets for what it runs."""

from __future__ import annotations

from enum import StrEnum
from typing import Any, Final, NamedTuple

from rrqmp.model.status import ActivityStatus
from rrqmp.store.keys import QueueKeys
from rrqmp.store.rules import StoreRules
from rrqmp.store.script import Call, load_script

CANCEL_BITE: Final = 100


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


class CancelOrder(NamedTuple):
    """What a node is asked to end: the attempt under this token. `grace_ms` of `None` is the node's own."""

    token: str
    grace_ms: int | None = None


class ChildrenReply(NamedTuple):
    """Ids that ended as cancelled, and ids whose nodes were asked; go on with `after_us` until it is `None`."""

    cancelled: list[str]
    requested: list[str]
    after_us: int | None


def cancel(keys: QueueKeys, rules: StoreRules, activity_id: str, *, grace_ms: int | None = None) -> Call[CancelReply]:
    """Ends a waiting activity as cancelled, or asks for the end of a running one, after `grace_ms` by force."""
    return Call(load_script("cancel"), keys.script_keys, (activity_id, rules.packed, _grace(grace_ms)), _read)


def cancel_children(
    keys: QueueKeys, rules: StoreRules, parent: str, *, after_us: int = 0, grace_ms: int | None = None,
    bite: int = CANCEL_BITE,
) -> Call[ChildrenReply]:  # fmt: skip
    """Cancels the children that `parent` has submitted to this queue, a bite a call, in the order of submission."""
    arguments = (parent, rules.packed, _grace(grace_ms), after_us, bite)
    return Call(load_script("cancel_children"), keys.script_keys, arguments, _read_children)


def read_cancel_order(text: bytes) -> CancelOrder:
    """Reads `<token>` or `<token> <grace>`, as `cancels:<node>` holds it."""
    whole = text.decode(errors="replace")
    token, _, grace = whole.rpartition(" ")
    return CancelOrder(token, int(grace)) if token and grace.isdecimal() else CancelOrder(whole)


def read_cancel_message(message: bytes) -> tuple[str, CancelOrder]:
    """Reads `<id> <token>[ <grace>]`, as `control:<node>` tells it; foreign bytes give an order that fits nothing."""
    activity_id, _, order = message.partition(b" ")
    return activity_id.decode(errors="replace"), read_cancel_order(order)


def _grace(grace_ms: int | None) -> int | str:
    return "" if grace_ms is None else max(0, grace_ms)


def _read(reply: Any) -> CancelReply:
    outcome, status = reply
    return CancelReply(CancelOutcome(outcome.decode()), ActivityStatus(status.decode()) if status else None)


def _read_children(reply: Any) -> ChildrenReply:
    cancelled, requested, after_us = reply
    return ChildrenReply(_ids(cancelled), _ids(requested), int(after_us) if after_us else None)


def _ids(words: list[bytes]) -> list[str]:
    return [word.decode(errors="replace") for word in words]
