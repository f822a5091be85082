"""Reading the indexes of a queue: a bite of one after another, from places that stay good while activities move."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Any, Final, NamedTuple

from rrqmp.model.attempt import Attempt
from rrqmp.model.priority import ActivityPriority
from rrqmp.model.status import ActivityStatus
from rrqmp.store.calls import fields as stored
from rrqmp.store.calls.fields import text
from rrqmp.store.keys import QueueKeys
from rrqmp.store.script import Call, load_script


class Index(StrEnum):
    """Where ids lie, and in which order: `ready` (of one type) and `scheduled` by what comes first, `dead` by time of
    death, `ended` by the time when the record lapses.
    """

    READY = "ready"
    SCHEDULED = "scheduled"
    DEAD = "dead"
    ENDED = "ended"


class Depth(StrEnum):
    """How much of each record is read: nothing, what a list shows, or also the last attempt."""

    IDS = "0"
    ROWS = "1"
    ATTEMPTS = "2"


# A bite of each depth takes the server about a millisecond.
LIST_BITES: Final = {Depth.IDS: 1000, Depth.ROWS: 200, Depth.ATTEMPTS: 100}
RUNNING_BITE: Final = 100


class Place(NamedTuple):
    """A point in an index: the list goes on behind it, whether or not anything lies there by now."""

    score: str
    member: str


class Row(NamedTuple):
    """What one record says; `status` is `None` where there is no record, or one of a foreign type."""

    activity_type: str = ""
    status: ActivityStatus | None = None
    priority: ActivityPriority | None = None
    attempt: int = 0
    reason: str = ""
    ended_us: int | None = None
    token: str = ""


class Entry(NamedTuple):
    """One member of an index. `last` is the final attempt, read only at `Depth.ATTEMPTS`."""

    activity_id: str
    place: Place
    row: Row
    last: Attempt | None


class Bite(NamedTuple):
    """Entries in the order asked for; there may be `more` behind the last."""

    now_us: int
    more: bool
    entries: list[Entry]


class Running(NamedTuple):
    """One id that a slot runs or is about to run."""

    slot: int
    activity_id: str
    row: Row


def list_index(
    keys: QueueKeys,
    index: Index,
    *,
    activity_type: str = "",
    descending: bool = False,
    after: Place | None = None,
    stop_us: int | None = None,
    depth: Depth = Depth.ROWS,
    bite: int | None = None,
) -> Call[Bite]:
    """Reads on from `after` (or the beginning), not as far as the score `stop_us`."""
    score, member = after or ("", "")
    stop = "" if stop_us is None else stop_us
    most = LIST_BITES[depth] if bite is None else min(bite, LIST_BITES[depth])
    # A stranger's member that is no text has to find its way back.
    place = member.encode(errors="surrogateescape")
    arguments = (index, activity_type, int(descending), score, place, stop, most, depth)
    return Call(load_script("list"), keys.script_keys, arguments, _read_bite)


def list_running(keys: QueueKeys, node: str, *, first_slot: int = 0) -> Call[tuple[int | None, list[Running]]]:
    """What the slots of a node hold, from the first one on; the number of the slot to go on with, if there are more."""
    name = node.encode(errors="surrogateescape")
    return Call(load_script("running"), keys.script_keys, (name, first_slot, RUNNING_BITE), _read_running)


def ready_types(keys: QueueKeys, cursor: int = 0) -> Call[tuple[int, list[str]]]:
    """Some of the types of which something is ready, and the cursor for the next call, 0 after the last."""
    return Call(load_script("types"), keys.script_keys, (cursor,), _read_types)


def _read_bite(reply: Any) -> Bite:
    now_us, more, *entries = reply
    return Bite(now_us, bool(more), [_entry(*entry) for entry in entries])


def _entry(member: bytes, score: bytes, activity_id: bytes, fields: Any, last: bytes | None) -> Entry:
    place = Place(score.decode(), member.decode(errors="surrogateescape"))
    return Entry(text(activity_id), place, _row(fields), None if last is None else stored.attempt(last))


def _read_running(reply: Any) -> tuple[int | None, list[Running]]:
    next_slot, *found = reply
    return next_slot, [Running(slot, text(activity_id), _row(fields)) for slot, activity_id, fields in found]


def _read_types(reply: Any) -> tuple[int, list[str]]:
    cursor, *names = reply
    return int(cursor), [text(name) for name in names]


def _row(fields: Sequence[bytes | None] | None) -> Row:
    if not fields:
        return Row()
    activity_type, status, score, attempt, reason, ended, token = fields
    return Row(
        text(activity_type),
        stored.status(status),
        stored.priority(score),
        stored.number(attempt) or 0,
        text(reason),
        stored.number(ended),
        text(token),
    )
