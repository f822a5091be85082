"""What expiry, families, notes and cancels promise, checked over one snapshot or over two that lie one call apart."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from itertools import chain

from rrqmp.store.calls.cancel import read_cancel_order
from tests.store.explorer.snapshot import Snapshot

_WAITS = ("pending", "scheduled", "retrying")
_ENDED = ("completed", "cancelled", "dead_letter")


def broken_promises(snapshot: Snapshot) -> Iterator[str]:
    """What is wrong with this moment, in words."""
    return chain(_expiries(snapshot), _families(snapshot), _notes(snapshot), _cancels(snapshot))


def promises_broken_between(before: Snapshot, after: Snapshot, began_us: int, ended_us: int) -> Iterator[str]:
    """What one call did that it must not; it ran between the two times."""
    for activity_id, old in before.records.items():
        new = after.records.get(activity_id, {})
        if new.get("st") == "running" and is_lapsed(old, began_us):
            yield f"{activity_id} had expired and was started"
        if new.get("st") == "cancelled" and old.get("st") in _WAITS and '"expired"' in new["out"]:
            if old.get("att", "0") != "0":
                yield f"{activity_id} had started once and expired"
            if int(old.get("exp", 0)) > ended_us:
                yield f"{activity_id} expired before its time"
        for name in ("check", "prog"):
            # Whoever writes one writes its own token.
            if name in new and new[name] != old.get(name) and new[name] != old.get("tok"):
                yield f"{name} of {activity_id} was written by {new[name]} while {old.get('tok')!r} ran"


def is_lapsed(record: Mapping[str, str], now_us: int) -> bool:
    """Whether it waits for its first attempt past its time."""
    return 0 < int(record.get("exp", 0)) <= now_us and record.get("st") in _WAITS and record.get("att", "0") == "0"


def _is_foreign(record: Mapping[str, str]) -> bool:
    return "spec" not in record or record.get("err") == "corrupt"


def _expiries(snapshot: Snapshot) -> Iterator[str]:
    listed = snapshot.zset("expiries")
    for activity_id, record in snapshot.records.items():
        if _is_foreign(record):
            continue
        waits = record["st"] in _WAITS and record.get("att", "0") == "0"
        if waits and "exp" in record and listed.get(activity_id) != int(record["exp"]):
            yield f"{activity_id} expires at {record['exp']} and expiries say {listed.get(activity_id)}"
        if not waits and activity_id in listed:
            yield f"{activity_id} is {record['st']} and lies in expiries"


def _families(snapshot: Snapshot) -> Iterator[str]:
    for activity_id, record in snapshot.records.items():
        parent = "" if _is_foreign(record) else json.loads(record["spec"].partition("\n")[0] or "{}").get("parent", "")
        known = parent in snapshot.records and not _is_foreign(snapshot.records[parent])
        if known and activity_id not in snapshot.children.get(parent, ()):
            yield f"{activity_id} is a child of {parent} and not in its index"
    for parent in snapshot.children:
        left, of_record = (snapshot.lives.get(f"{family}:{parent}") for family in ("children", "activity"))
        if parent not in snapshot.records and parent not in snapshot.foreign and left is None:
            yield f"the index of {parent} outlives its record for ever"
        if of_record is not None and (left is None or left > of_record + 1000):
            yield f"the index of {parent} outlives its record: {left} ms, {of_record} ms"
        if of_record is None and parent in snapshot.records and left is not None:
            yield f"the index of {parent} ends before its record"


def _notes(snapshot: Snapshot) -> Iterator[str]:
    for activity_id, record in snapshot.records.items():
        if record.get("st") in _ENDED and "check" in record and not _is_foreign(record):
            yield f"{activity_id} has ended and keeps its checkpoint"


def _cancels(snapshot: Snapshot) -> Iterator[str]:
    for node, orders in snapshot.cancels.items():
        for activity_id, text in orders.items():
            order, record = read_cancel_order(text.encode()), snapshot.records.get(activity_id, {})
            if record.get("tok") != order.token or "cancel" not in record:
                yield f"{node} is asked to end {activity_id} under {order.token}, which runs by {record.get('tok')!r}"
    for activity_id, record in snapshot.records.items():
        if record.get("st") == "running" and "cancel" in record:
            node = record["tok"].rpartition("/")[0]
            if activity_id not in snapshot.cancels.get(node, {}):
                yield f"{activity_id} is to be cancelled and {node} is not asked"
