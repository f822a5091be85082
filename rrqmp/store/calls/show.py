"""Reading one record in full."""

from __future__ import annotations

from functools import partial
from typing import Any, Final

import msgspec

from rrqmp.model.activity import ActivityRecord
from rrqmp.model.spec import Spec, split_spec
from rrqmp.model.status import ActivityStatus
from rrqmp.store.calls import fields
from rrqmp.store.calls.fields import text
from rrqmp.store.keys import QueueKeys
from rrqmp.store.script import Call, load_script

CHILDREN_SHOWN: Final = 100


def show(keys: QueueKeys, activity_id: str) -> Call[ActivityRecord | None]:
    """The record as it stands now; `None` for an unknown id. Foreign bytes in it are shown as corrupt, never raised."""
    return Call(load_script("show"), keys.script_keys, (activity_id, CHILDREN_SHOWN), partial(_read, activity_id))


def _read(activity_id: str, reply: Any) -> ActivityRecord | None:
    if reply is None:
        return None
    flat, due_us, is_ready, children_count, children = reply
    stored = dict(zip(flat[::2], flat[1::2], strict=True))
    spec, payload = _spec(stored.get(b"spec", b""))
    lines = stored.get(b"hist", b"").split(b"\n")
    final, _, result = stored.get(b"out", b"").partition(b"\n")
    return ActivityRecord(
        activity_id=activity_id,
        activity_type=text(stored.get(b"ty", b"")),
        status=_status(stored.get(b"st", b""), is_ready=bool(is_ready)),
        priority=fields.priority(stored.get(b"k", b"")),
        spec=spec,
        payload=payload,
        attempt=fields.number(stored.get(b"att", b"")) or 0,
        crashes=fields.number(stored.get(b"crashes", b"")) or 0,
        losses=fields.number(stored.get(b"losses", b"")) or 0,
        attempts=tuple(fields.attempt(line) for line in [*lines, final] if line),
        result=result,
        reason=text(stored.get(b"err", b"")),
        owner=text(stored.get(b"tok", b"")),
        due_at=None if due_us is None else due_us / 1_000_000,
        ended_at=(fields.number(stored[b"end"]) or 0) / 1_000_000 if b"end" in stored else None,
        cancel_requested=b"cancel" in stored,
        children_count=children_count,
        children=tuple(map(text, children)),
        checkpoint_bytes=fields.number(stored.get(b"check", b"")) or 0,
        progress=stored.get(b"prog", b""),
    )


def _status(stored: bytes, *, is_ready: bool) -> ActivityStatus:
    status = fields.status(stored)
    if status is None:
        return ActivityStatus.DEAD_LETTER
    # Promotion moves the id and leaves the record as it is.
    waits = status in (ActivityStatus.SCHEDULED, ActivityStatus.RETRYING)
    return ActivityStatus.PENDING if waits and is_ready else status


def _spec(stored: bytes) -> tuple[Spec, bytes]:
    try:
        return split_spec(stored)
    except msgspec.MsgspecError:
        return Spec(), stored
