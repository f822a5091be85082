"""Dead letters, as steps: searched, and many of them revived or discarded."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final, TypeAlias, TypedDict

from rrqmp.client.cursor import Cursor, decode_cursor
from rrqmp.client.listing import PageInMaking, check_limit, summary_of
from rrqmp.client.steps import Steps
from rrqmp.errors import ConfigurationError
from rrqmp.model.attempt import Attempt, AttemptKind
from rrqmp.model.names import check_activity_type, did_you_mean
from rrqmp.model.status import ActivityStatus
from rrqmp.model.summary import ActivityPage
from rrqmp.store.calls import dead_letters
from rrqmp.store.calls.dead_letters import REVIVE_BITE
from rrqmp.store.calls.listing import Depth, Entry, Index, Place, list_index
from rrqmp.store.calls.stats import stats
from rrqmp.store.keys import QueueKeys
from rrqmp.store.rules import StoreRules
from rrqmp.store.script import Call

# Called with how many dead letters have been looked at, and how many there were at the start.
OnProgress: TypeAlias = Callable[[int, int], object]
# How a last attempt ended, and why one was not retried.
KINDS: Final = tuple(dict.fromkeys((*AttemptKind, "poisoned", "lost", "corrupt")))


class DeadLetterFilter(TypedDict, total=False):
    """Which dead letters are meant; what is not given, or `None`, leaves nothing out.

    `kind` is how the last attempt ended (`failed`, `timed_out`, `crashed` ...) or why it was not retried (`poisoned`,
    `lost`, `corrupt`); `text` occurs in its error, message, traceback or stack, in any case; `since` and `until` (not
    included) are times of death, in seconds since 1970 or with a time zone.
    """

    activity_type: str | None
    kind: str | None
    text: str | None
    since: float | datetime | None
    until: float | datetime | None


_FILTERS: Final = tuple(DeadLetterFilter.__annotations__)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadSearch:
    """Which dead letters are meant; what is not set leaves nothing out. Made by `search`."""

    activity_type: str | None = None
    kind: str | None = None
    text: str | None = None
    since_us: int | None = None
    until_us: int | None = None

    @property
    def depth(self) -> Depth:
        """How much has to be read to decide."""
        if self.kind is not None or self.text is not None:
            return Depth.ATTEMPTS
        return Depth.IDS if self.activity_type is None else Depth.ROWS

    def fits(self, entry: Entry) -> bool:
        """Whether this one is meant; what the index itself decides is not asked again."""
        row, last = entry.row, entry.last
        if self.activity_type is not None and row.activity_type != self.activity_type:
            return False
        if self.kind is not None and self.kind not in (row.reason, last.kind if last else None):
            return False
        return self.text is None or (last is not None and self.text in _words(last))


def search(wanted: DeadLetterFilter) -> DeadSearch:
    """Checks what somebody asks for; raises `ConfigurationError`."""
    unknown = wanted.keys() - set(_FILTERS)
    if unknown:
        raise TypeError(f"{min(unknown)!r} is no part of a search: {did_you_mean(min(unknown), _FILTERS)}")
    activity_type, kind, text = wanted.get("activity_type"), wanted.get("kind"), wanted.get("text")
    if kind is not None and kind not in KINDS:
        raise ConfigurationError(f"kind is {kind!r}: {did_you_mean(str(kind), KINDS)}")
    return DeadSearch(
        activity_type=None if activity_type is None else check_activity_type(activity_type),
        kind=kind,
        text=None if text is None else _check_text(text).casefold(),
        since_us=_check_moment(wanted.get("since"), "since"),
        until_us=_check_moment(wanted.get("until"), "until"),
    )


def list_dead(keys: QueueKeys, wanted: DeadSearch, limit: int, cursor: str) -> Steps[ActivityPage]:
    """One page of those that are meant, the newest first."""
    status = ActivityStatus.DEAD_LETTER
    page = PageInMaking(check_limit(limit))
    start = decode_cursor(cursor, status)
    until = Place(str(wanted.until_us), "") if wanted.until_us is not None else None
    after = start.place if start is not None else until
    stop_us = wanted.since_us - 1 if wanted.since_us is not None else None
    more = True
    while more:
        call = list_index(keys, Index.DEAD, descending=True, after=after, stop_us=stop_us, depth=Depth.ATTEMPTS)
        bite = yield call
        for entry in bite.entries:
            after = entry.place
            if entry.row.status is not status or not wanted.fits(entry):
                continue
            if not page.take(summary_of(entry, Index.DEAD), Cursor(status, *entry.place)):
                return page.finished()
        more = bite.more
    return page.finished()


def revive_all(keys: QueueKeys, rules: StoreRules, wanted: DeadSearch, progress: OnProgress | None) -> Steps[int]:
    """Revives all that are meant and were dead when it began; how many."""
    return (yield from _for_all(keys, wanted, progress, lambda ids: dead_letters.revive(keys, rules, ids)))


def discard_all(keys: QueueKeys, wanted: DeadSearch, progress: OnProgress | None) -> Steps[int]:
    """Deletes all that are meant and were dead when it began; how many."""
    return (yield from _for_all(keys, wanted, progress, lambda ids: dead_letters.discard(keys, ids)))


def _for_all(
    keys: QueueKeys, wanted: DeadSearch, progress: OnProgress | None, make: Callable[[list[str]], Call[int]]
) -> Steps[int]:
    total = (yield stats(keys)).dead_letter_count
    after = Place(str(wanted.since_us), "") if wanted.since_us is not None else None
    stop_us = wanted.until_us
    looked_at = done = 0
    more = True
    while more:
        bite = yield list_index(keys, Index.DEAD, after=after, stop_us=stop_us, depth=wanted.depth)
        if stop_us is None:
            # What dies again while this goes on is not taken again: a handler that always fails would never let it end.
            stop_us = bite.now_us + 1
        meant = [entry.activity_id for entry in bite.entries if wanted.fits(entry)]
        for start in range(0, len(meant), REVIVE_BITE):
            done += yield make(meant[start : start + REVIVE_BITE])
        looked_at += len(bite.entries)
        if progress is not None:
            progress(looked_at, max(total, looked_at))
        more = bite.more
        after = bite.entries[-1].place if bite.entries else after
    return done


def _words(last: Attempt) -> str:
    told = (last.error, last.message, last.traceback, last.stack, last.where, last.signal, *last.notes)
    return "\n".join(told).casefold()


def _check_text(text: object) -> str:
    if not isinstance(text, str):
        raise ConfigurationError(f"text is {text!r}: give a string to be looked for in errors")
    return text


def _check_moment(moment: object, name: str) -> int | None:
    if moment is None:
        return None
    if isinstance(moment, datetime):
        if moment.tzinfo is None:
            raise ConfigurationError(f"{name} is {moment!r}: give it a time zone, such as moment.astimezone()")
        moment = moment.timestamp()
    if not isinstance(moment, int | float) or isinstance(moment, bool) or not 0 <= moment < 1e11:
        raise ConfigurationError(f"{name} is {moment!r}: give seconds since 1970 or a datetime with a time zone")
    return round(moment * 1_000_000)
