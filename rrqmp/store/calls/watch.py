"""Asking to be told of an end."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from rrqmp.model.status import ActivityStatus
from rrqmp.store.keys import QueueKeys
from rrqmp.store.script import Call, load_script

WATCH_BITE: Final = 100


class WatchReply(NamedTuple):
    """`status` is `None` for an unknown id. `out` is the stored outcome of an ended one, empty before."""

    status: ActivityStatus | None
    out: bytes


def watch(keys: QueueKeys, ids: Sequence[str]) -> Call[list[WatchReply]]:
    """Where each id (`WATCH_BITE` at most) stands; those that have not ended will tell `done:<id>` when they do.

    To be called after the subscription stands, and again for all after each reconnect.
    """
    return Call(load_script("watch"), keys.script_keys, tuple(ids), _read)


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
