"""Asking to be told of an end."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from rrqmp.model.status import ActivityStatus
from rrqmp.store.keys import QueueKeys
from rrqmp.store.rules import StoreRules
from rrqmp.store.script import Call, load_script

WATCH_BITE: Final = 100
# A waiter does not know the queue's; they only say for how long an expired activity is remembered.
_RULES: Final = StoreRules()


class WatchReply(NamedTuple):
    """`status` is `None` for an unknown id. `out` is the stored outcome of an ended one, empty before."""

    status: ActivityStatus | None
    out: bytes


def watch(keys: QueueKeys, ids: Sequence[str]) -> Call[list[WatchReply]]:
    """Where each id (`WATCH_BITE` at most) stands; those that have not ended will tell `done:<id>` when they do.

    What has expired unstarted ends here, if no supervisor has seen to it.

    To be called after the subscription stands, and again for all after each reconnect.
    """
    return Call(load_script("watch"), keys.script_keys, (_RULES.packed, *ids), _read)


def _read(reply: Any) -> list[WatchReply]:
    return [
        WatchReply(ActivityStatus(status.decode()) if status else None, out or b"")
        for status, out in zip(reply[::2], reply[1::2], strict=True)
    ]


class DoneNotice(NamedTuple):
    """A message of a `done` channel. `out` is `None` where the outcome was too large to be sent along."""

    activity_id: str
    status: ActivityStatus
    out: bytes | None


def read_done_notice(message: bytes) -> DoneNotice:
    """Reads `<id> <status> <out>`; raises `ValueError` on anything else."""
    activity_id, status, out = message.split(b" ", 2)
    return DoneNotice(activity_id.decode(), ActivityStatus(status.decode()), out or None)
