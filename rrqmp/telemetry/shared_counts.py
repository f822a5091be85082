"""Counts of workers in memory that the supervisor reads: no file, no call, no lock.

One anonymous file for all workers, with a region for each page of the board. A worker maps its own region and no
other; it is the only writer there, and every number is a 64-bit word that is stored singly, so a reader sees the old
one or the new one. A worker that dies while it counts leaves at most one attempt half counted. Its region is added to
the sums of the dead and wiped before another process gets the page.

A region begins with a head, then come blocks of one size. A block holds the numbers of one queue and type; the worker
takes the next free one when it first meets the pair, writes the pair's place in the head, and publishes it last of all.
"""

from __future__ import annotations

import mmap
import os
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from operator import add
from typing import Final

from rrqmp.telemetry.vocabulary import ACTIVITY_COUNTERS, ACTIVITY_DURATIONS, BOUNDS, OTHER_TYPES, Callback, MetricName

# More pairs of queue and type than this are counted as the queue's `(other)`: a scrape has to stay short.
SERIES_MOST: Final = 256
_WORD: Final = 8
_USED, _FAILURES, _DROPPED, _CALLBACKS_AT = 0, 1, 2, 3
_CALLBACK_AT: Final[Mapping[Callback, int]] = {name: _CALLBACKS_AT + place for place, name in enumerate(Callback)}
_PLACES_AT: Final = _CALLBACKS_AT + len(Callback)
_BUCKETS: Final = len(BOUNDS) + 1
# Counters, then for each duration its buckets and its sum in nanoseconds.
_COUNTER_AT: Final[Mapping[MetricName, int]] = {name: place for place, name in enumerate(ACTIVITY_COUNTERS)}
_DURATION_AT: Final[Mapping[MetricName, int]] = {
    name: len(ACTIVITY_COUNTERS) + place * (_BUCKETS + 1) for place, name in enumerate(ACTIVITY_DURATIONS)
}
BLOCK_WORDS: Final = len(ACTIVITY_COUNTERS) + len(ACTIVITY_DURATIONS) * (_BUCKETS + 1)
_BOUNDS_NS: Final = [round(bound * 1e9) for bound in BOUNDS]


class SeriesTable:
    """Which pair of queue and type has which place: made out of the settled settings, the same on both sides."""

    def __init__(self, queues: Sequence[str], types: Sequence[str]) -> None:
        self._queues = tuple(queues)
        room = max(1, SERIES_MOST // max(1, len(self._queues)))
        self._types = (*types[: room - (len(types) >= room)], OTHER_TYPES)
        self._queue_at = {name: place for place, name in enumerate(self._queues)}
        self._type_at = {name: place for place, name in enumerate(self._types)}

    def __len__(self) -> int:
        return len(self._queues) * len(self._types)

    def place(self, queue: str, activity_type: str) -> int:
        """The pair's place; types beyond the bound share one, and a queue that is unknown here is the first."""
        other = len(self._types) - 1
        return self._queue_at.get(queue, 0) * len(self._types) + self._type_at.get(activity_type, other)

    def labels(self, place: int) -> tuple[str, str]:
        """Queue and type."""
        queue, kind = divmod(place, len(self._types))
        return self._queues[queue], self._types[kind]

    @property
    def region_bytes(self) -> int:
        """Room for one worker, in whole pages."""
        words = self.first_block + len(self) * BLOCK_WORDS
        return -(-words * _WORD // mmap.ALLOCATIONGRANULARITY) * mmap.ALLOCATIONGRANULARITY

    @property
    def first_block(self) -> int:
        """The word where blocks begin."""
        return _PLACES_AT + len(self)


class CountsWriter:
    """The worker's side."""

    def __init__(self, descriptor: int, page: int, table: SeriesTable) -> None:
        size = table.region_bytes
        self._words = memoryview(mmap.mmap(descriptor, size, offset=page * size)).cast("Q")
        self._table = table
        self._blocks: dict[tuple[str, str], int] = {}
        self._taken: dict[int, int] = {}

    def count(self, name: MetricName, queue: str, activity_type: str) -> None:
        """One more."""
        at = self._block(queue, activity_type) + _COUNTER_AT[name]
        self._add(at, 1)

    def observe(self, name: MetricName, queue: str, activity_type: str, nanoseconds: int) -> None:
        """One duration."""
        at = self._block(queue, activity_type) + _DURATION_AT[name]
        self._add(at + _BUCKETS, nanoseconds)
        self._add(at + bisect_left(_BOUNDS_NS, nanoseconds), 1)

    def sink_failed(self) -> None:
        """A sink raised. Called by one thread only, as each of these."""
        self._add(_FAILURES, 1)

    def sink_dropped(self, calls: int) -> None:
        """A slow sink never got them."""
        self._add(_DROPPED, calls)

    def callback_failed(self, callback: Callback) -> None:
        """A hook or callback of the application raised."""
        self._add(_CALLBACK_AT[callback], 1)

    def _add(self, at: int, number: int) -> None:
        words = self._words
        try:
            words[at] = words[at] + number
        except ValueError:
            # A handler's wild write has left a number there that nothing can be added to.
            words[at] = 0

    def _block(self, queue: str, activity_type: str) -> int:
        found = self._blocks.get((queue, activity_type))
        return self._take(queue, activity_type) if found is None else found

    def _take(self, queue: str, activity_type: str) -> int:
        place = self._table.place(queue, activity_type)
        block = self._taken.get(place)
        if block is None:
            used = len(self._taken)
            block = self._taken[place] = self._table.first_block + used * BLOCK_WORDS
            self._words[_PLACES_AT + used] = place
            self._words[_USED] = used + 1
        if len(self._blocks) < SERIES_MOST:
            self._blocks[queue, activity_type] = block
        return block


class Counts:
    """Sums of one moment: for each pair that was ever met its block, and what sinks refused."""

    def __init__(self) -> None:
        self.blocks: dict[int, list[int]] = {}
        self.sink_failures = 0
        self.sink_dropped = 0
        self.callback_failures: Counter[Callback] = Counter()

    def copy(self) -> Counts:
        """To add the living to."""
        made = Counts()
        made.blocks = dict(self.blocks)
        made.sink_failures, made.sink_dropped = self.sink_failures, self.sink_dropped
        made.callback_failures = self.callback_failures.copy()
        return made

    def counters(self, name: MetricName) -> Iterator[tuple[int, int]]:
        """Place and number, of every pair."""
        at = _COUNTER_AT[name]
        for place, block in self.blocks.items():
            yield place, block[at]

    def durations(self, name: MetricName) -> Iterator[tuple[int, list[int], float]]:
        """Place, how many fell into each bucket, and the sum in seconds."""
        at = _DURATION_AT[name]
        for place, block in self.blocks.items():
            yield place, block[at : at + _BUCKETS], block[at + _BUCKETS] / 1e9


class CountsFile:
    """The supervisor's side: makes the file, reads all regions, keeps the sums of the dead."""

    def __init__(self, table: SeriesTable, pages: int) -> None:
        self.table = table
        self.descriptor = os.memfd_create("rrqmp-counts", os.MFD_CLOEXEC)
        self._stride = table.region_bytes // _WORD
        # Sparse: what no worker has touched takes no memory.
        os.ftruncate(self.descriptor, pages * table.region_bytes)
        self._map = mmap.mmap(self.descriptor, pages * table.region_bytes)
        self._words = memoryview(self._map).cast("Q")
        self._dead = Counts()
        # Rises with each, so that who adds up the living sees that one of them has gone over to the dead meanwhile.
        self.burials = 0

    def bury(self, page: int) -> None:
        """Takes over what a dead worker has counted, and wipes its region; only once it has been reaped."""
        self.burials += 1
        self.add(page, self._dead)
        at = page * self._stride
        used = min(self._words[at + _USED], len(self.table))
        size = self.table.first_block + used * BLOCK_WORDS
        self._words[at : at + size] = memoryview(bytes(size * _WORD)).cast("Q")

    def callback_killed(self, callback: Callback) -> None:
        """It hung or crashed, so its process could not count that."""
        self._dead.callback_failures[callback] += 1

    def of_the_dead(self) -> Counts:
        """A copy, to which the living can be added."""
        return self._dead.copy()

    def add(self, page: int, counts: Counts) -> None:
        """Adds one region; what a wild write has spoilt is left out."""
        words, at = self._words, page * self._stride
        used = words[at + _USED]
        if used > len(self.table):
            return
        counts.sink_failures += words[at + _FAILURES]
        counts.sink_dropped += words[at + _DROPPED]
        for callback, place in _CALLBACK_AT.items():
            counts.callback_failures[callback] += words[at + place]
        for number in range(used):
            place = words[at + _PLACES_AT + number]
            if place < len(self.table):
                block_at = at + self.table.first_block + number * BLOCK_WORDS
                block = words[block_at : block_at + BLOCK_WORDS].tolist()
                known = counts.blocks.get(place)
                counts.blocks[place] = block if known is None else list(map(add, known, block))

    def close(self) -> None:
        """Lets the memory go; may be called twice."""
        if not self._map.closed:
            self._words.release()
            self._map.close()
            os.close(self.descriptor)
