"""Pages of activities by status, as steps: which index holds a status, and how its entries become rows."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from rrqmp.client.cursor import Cursor, decode_cursor, encode_cursor
from rrqmp.client.steps import Steps
from rrqmp.errors import ConfigurationError
from rrqmp.model.names import check_activity_type
from rrqmp.model.priority import head_start_us
from rrqmp.model.status import ActivityStatus
from rrqmp.model.summary import ActivityPage, ActivitySummary
from rrqmp.store.calls.listing import Depth, Entry, Index, Running, list_index, list_running, ready_types
from rrqmp.store.calls.nodes import nodes
from rrqmp.store.keys import QueueKeys
from rrqmp.store.rules import StoreRules

MOST_ROWS: Final = 1000
_INDEX_OF: Final = {
    ActivityStatus.PENDING: Index.READY,
    ActivityStatus.SCHEDULED: Index.SCHEDULED,
    ActivityStatus.RETRYING: Index.SCHEDULED,
    ActivityStatus.DEAD_LETTER: Index.DEAD,
    ActivityStatus.COMPLETED: Index.ENDED,
    ActivityStatus.CANCELLED: Index.ENDED,
}
# What has ended is looked at from its end.
_NEWEST_FIRST: Final = (Index.DEAD, Index.ENDED)


@dataclass(slots=True)
class PageInMaking:
    """Takes rows until there is one more than the page may hold: so an empty cursor means that nothing follows."""

    most: int
    cursor: str = ""
    _rows: list[ActivitySummary] = field(default_factory=list)
    _last: Cursor | None = None

    def take(self, row: ActivitySummary, cursor: Cursor) -> bool:
        """Whether more rows are wanted."""
        if len(self._rows) == self.most:
            self.cursor = encode_cursor(self._last) if self._last else ""
            return False
        self._rows.append(row)
        self._last = cursor
        return True

    def finished(self) -> ActivityPage:
        """The page."""
        return ActivityPage(tuple(self._rows), self.cursor)


def list_activities(
    keys: QueueKeys, rules: StoreRules, word: str, activity_type: str | None, limit: int, cursor: str
) -> Steps[ActivityPage]:
    """One page of the activities that have this status; `word` is an `ActivityStatus` or its text."""
    status = check_status(word)
    wanted = None if activity_type is None else check_activity_type(activity_type)
    start = decode_cursor(cursor, status)
    page = PageInMaking(check_limit(limit))
    if status is ActivityStatus.RUNNING:
        yield from _walk_running(keys, wanted, start, page)
    elif status is ActivityStatus.PENDING:
        yield from _walk_pending(keys, rules, wanted, start, page)
    else:
        yield from _walk_others(keys, status, wanted, start, page)
    return page.finished()


def _walk_pending(
    keys: QueueKeys, rules: StoreRules, wanted: str | None, start: Cursor | None, page: PageInMaking
) -> Steps[None]:
    types = [wanted] if wanted is not None else (yield from types_with_work(keys))
    head_start = head_start_us(rules.priority_aging)
    for activity_type in types:
        if start is not None and activity_type < start.group:
            continue
        after = start.place if start is not None and activity_type == start.group else None
        more = True
        while more:
            bite = yield list_index(keys, Index.READY, activity_type=activity_type, after=after, bite=page.most + 1)
            for entry in bite.entries:
                score, member = entry.place
                cursor = Cursor(ActivityStatus.PENDING, score, member, activity_type)
                if not page.take(_pending(entry, activity_type, head_start), cursor):
                    return
                after = entry.place
            more = bite.more


def types_with_work(keys: QueueKeys) -> Steps[list[str]]:
    """The types of which something is ready, by name."""
    types: set[str] = set()
    cursor = -1
    while cursor:
        cursor, found = yield ready_types(keys, max(0, cursor))
        types.update(found)
    return sorted(types)


def _walk_others(
    keys: QueueKeys, status: ActivityStatus, wanted: str | None, start: Cursor | None, page: PageInMaking
) -> Steps[None]:
    index = _INDEX_OF[status]
    depth = Depth.ATTEMPTS if index is Index.DEAD else Depth.ROWS
    after = start.place if start is not None else None
    more = True
    while more:
        bite = yield list_index(keys, index, descending=index in _NEWEST_FIRST, after=after, depth=depth)
        for entry in bite.entries:
            after = entry.place
            if entry.row.status is not status or wanted not in (None, entry.row.activity_type):
                continue
            if not page.take(summary_of(entry, index), Cursor(status, *entry.place)):
                return
        more = bite.more


def _walk_running(keys: QueueKeys, wanted: str | None, start: Cursor | None, page: PageInMaking) -> Steps[None]:
    leases = yield nodes(keys)
    for node in sorted(lease.node for lease in leases):
        if start is not None and node < start.group:
            continue
        resumed = start if start is not None and node == start.group else None
        slot = int(resumed.score) if resumed else 0
        while slot is not None:
            first, (slot, found) = slot, (yield list_running(keys, node, first_slot=slot))
            for one in _behind(found, resumed if resumed and int(resumed.score) == first else None):
                if wanted not in (None, one.row.activity_type):
                    continue
                cursor = Cursor(ActivityStatus.RUNNING, str(one.slot), one.activity_id, node)
                if not page.take(_running(one, node), cursor):
                    return


def _behind(found: list[Running], resumed: Cursor | None) -> list[Running]:
    """What comes after the row that the page before ended with; all, where the slot has gone on to other work."""
    if resumed is None:
        return found
    ended_at = [at for at, one in enumerate(found) if one.activity_id == resumed.member]
    return found[ended_at[0] + 1 :] if ended_at else found


def _pending(entry: Entry, activity_type: str, head_start: int) -> ActivitySummary:
    row = entry.row
    virtual = int(float(entry.place.score)) + head_start * (row.priority or 0)
    return ActivitySummary(
        activity_id=entry.activity_id,
        activity_type=activity_type,
        # Promotion moves the id and leaves the record as it is.
        status=ActivityStatus.PENDING,
        priority=row.priority,
        attempt=row.attempt,
        waiting_since=virtual / 1_000_000,
    )


def _running(one: Running, node: str) -> ActivitySummary:
    return ActivitySummary(
        activity_id=one.activity_id,
        activity_type=one.row.activity_type,
        status=ActivityStatus.RUNNING,
        priority=one.row.priority,
        attempt=one.row.attempt,
        node=node,
        slot=one.slot,
    )


def summary_of(entry: Entry, index: Index) -> ActivitySummary:
    """The row of what does not wait for a worker now, and has a record."""
    row = entry.row
    return ActivitySummary(
        activity_id=entry.activity_id,
        activity_type=row.activity_type,
        status=row.status or ActivityStatus.DEAD_LETTER,
        priority=row.priority,
        attempt=row.attempt,
        due_at=int(float(entry.place.score)) / 1_000_000 if index is Index.SCHEDULED else None,
        ended_at=row.ended_us / 1_000_000 if row.ended_us is not None else None,
        reason=row.reason,
        last=entry.last,
    )


def check_status(status: object) -> ActivityStatus:
    """A status, or its word."""
    try:
        return ActivityStatus(str(status))
    except ValueError:
        words = ", ".join(ActivityStatus)
        raise ConfigurationError(f"{status!r} is no status: give one of {words}") from None


def check_limit(limit: object) -> int:
    """How many rows a page may have."""
    if not isinstance(limit, int) or isinstance(limit, bool) or not 1 <= limit <= MOST_ROWS:
        raise ConfigurationError(f"limit is {limit!r}: give 1 to {MOST_ROWS} rows a page")
    return limit
