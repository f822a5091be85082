"""Watching the board: whose deadline or soft limit has come, and whose batch is held up by one long activity.

No work for an ordinary activity: the supervisor publishes when it will look next, and a worker whose deadline lies
before that wakes it through an eventfd.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Iterable
from typing import Final

from rrqmp.shared_state.board import Head, KillReason, Word
from rrqmp.shared_state.fence import make_fence
from rrqmp.supervisor.ladder import Ladder
from rrqmp.supervisor.soft_limits import SoftLimits
from rrqmp.supervisor.worker_handle import Stage, WorkerHandle

# Never later than this, so that a wake-up lost for whatever reason costs a quarter of a second and not a deadline.
_LONGEST_NS: Final = 250_000_000
_NS: Final = 1e9


class DeadlineWatch:
    """Looks at every worker's page when the earliest deadline has come, and in one pass condemns all that is due."""

    def __init__(
        self,
        head: memoryview,
        wake: int,
        ladder: Ladder,
        workers: Callable[[], Iterable[WorkerHandle]],
        on_held_up: Callable[[WorkerHandle, int, int], None],
        on_looked: Callable[[], None],
    ) -> None:
        self._head = head
        self._wake = wake
        self._ladder = ladder
        self._workers = workers
        self._on_held_up = on_held_up
        self._on_looked = on_looked
        self._soft_limits = SoftLimits()
        self._fence = make_fence()
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Begins to watch; needs the running loop."""
        asyncio.get_running_loop().add_reader(self._wake, self._poked)
        self.look()

    def stop(self) -> None:
        """Stops watching."""
        asyncio.get_running_loop().remove_reader(self._wake)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def look(self) -> None:
        """One pass: condemns, strikes, and sets the next look."""
        now = time.monotonic_ns()
        # Published before the pages are read: a worker that begins after the read sees it and pokes.
        self._head[Head.NEXT_WAKE] = now + _LONGEST_NS
        self._fence()
        earliest = now + _LONGEST_NS
        struck: list[WorkerHandle] = []
        for handle in self._workers():
            if handle.stage is Stage.DEAD or handle.ordered is not KillReason.NONE:
                continue
            due, look_at = self._examine(handle, now, struck)
            earliest = min(earliest, due, look_at)
        # All are marked before the first is waited for: the sixth of six is killed no later than the first.
        for handle in struck:
            self._ladder.strike(handle)
        # What else the board says is less urgent.
        self._on_looked()
        self._head[Head.NEXT_WAKE] = earliest
        self._set_timer(earliest)

    def _examine(self, handle: WorkerHandle, now: int, struck: list[WorkerHandle]) -> tuple[int, int]:
        words = handle.page.words
        seq = words[Word.SEQ]
        deadline, look_at = words[Word.DEADLINE], words[Word.LOOK_AT]
        never = now + _LONGEST_NS
        if seq == words[Word.ENDED] or seq != words[Word.SEQ] or not deadline:
            return never, never
        if deadline <= now:
            if self._ladder.condemn(handle, seq, KillReason.TIMED_OUT):
                struck.append(handle)
            return never, never
        deadline = min(deadline, self._soft_limits.examine(handle, seq, now))
        if not look_at or words[Word.REVOKED] == words[Word.CLAIM_SEQ]:
            return deadline, never
        if look_at <= now:
            self._on_held_up(handle, seq, words[Word.CLAIM_SEQ])
            return deadline, never
        return deadline, look_at

    def _set_timer(self, at_ns: int) -> None:
        if self._timer is not None:
            self._timer.cancel()
        loop = asyncio.get_running_loop()
        # The loop's clock is the monotonic clock, in seconds.
        self._timer = loop.call_at(at_ns / _NS, self.look)

    def _poked(self) -> None:
        try:
            os.read(self._wake, 8)
        except BlockingIOError:
            return
        self.look()
