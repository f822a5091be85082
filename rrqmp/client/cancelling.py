"""What a client may do about activities it no longer wants, as steps: behind the blocking and the asyncio doors."""

from __future__ import annotations

from datetime import timedelta
from typing import Final, TypeAlias

from rrqmp.client.ending import not_found
from rrqmp.client.steps import Steps
from rrqmp.model.ids import check_id_text
from rrqmp.model.status import ActivityStatus
from rrqmp.model.units import check_seconds
from rrqmp.store.calls.cancel import CancelOutcome, CancelReply, cancel, cancel_children
from rrqmp.store.keys import QueueKeys
from rrqmp.store.rules import StoreRules

Grace: TypeAlias = float | timedelta | None
# Of the rules only the time that an ended record is kept counts here, and that is the default for clients.
_RULES: Final = StoreRules()


def asking_for_end(
    keys: QueueKeys, activity_id: str, grace: Grace, *, children: bool, rules: StoreRules = _RULES
) -> Steps[CancelReply]:
    """Asks for the end of one, with `children` also of what it has started; what became of the wish."""
    grace_ms = _milliseconds(grace)
    check_id_text(activity_id)
    reply: CancelReply = yield cancel(keys, rules, activity_id, grace_ms=grace_ms)
    if children and reply.outcome is not CancelOutcome.UNKNOWN:
        yield from _cancelling_below(keys, [activity_id], grace_ms)
    return reply


def cancelling(keys: QueueKeys, activity_id: str, grace: Grace, *, children: bool) -> Steps[bool | None]:
    """The same; whether it is or will be cancelled, `None` for an unknown id."""
    reply = yield from asking_for_end(keys, activity_id, grace, children=children)
    if reply.outcome is CancelOutcome.UNKNOWN:
        return None
    # Asked again, or sent twice over a broken connection: it is cancelled all the same.
    return reply.outcome is not CancelOutcome.ENDED or reply.status is ActivityStatus.CANCELLED


def cancelling_known(keys: QueueKeys, activity_id: str, grace: Grace, *, children: bool) -> Steps[bool]:
    """The same; raises `ActivityNotFound` for an unknown id."""
    cancelled = yield from cancelling(keys, activity_id, grace, children=children)
    if cancelled is None:
        raise not_found(keys, activity_id)
    return cancelled


def cancelling_children(keys: QueueKeys, parent: str, grace: Grace) -> Steps[int]:
    """Asks for the end of all that an activity has started in this queue, and of what these have; how many."""
    return (yield from _cancelling_below(keys, [check_id_text(parent)], _milliseconds(grace)))


def _cancelling_below(keys: QueueKeys, parents: list[str], grace_ms: int | None) -> Steps[int]:
    count = 0
    while parents:
        parent = parents.pop()
        after: int | None = 0
        while after is not None:
            reply = yield cancel_children(keys, _RULES, parent, after_us=after, grace_ms=grace_ms)
            count += len(reply.cancelled) + len(reply.requested)
            # One that waits for its next attempt may have some too.
            parents += reply.requested
            parents += reply.cancelled
            after = reply.after_us
    return count


def _milliseconds(grace: Grace) -> int | None:
    return None if grace is None else round(check_seconds(grace, "grace", least=0.0) * 1000)
