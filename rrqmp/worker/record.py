"""The worker's hand on its page of the board: an activity's beginning and end, as the supervisor sees them.

This is the hot path: about a microsecond for a whole activity, no system call in the ordinary case but the one that
resets the peak memory. Plain integers index the words, since an enum member costs a method call each time.
"""

from __future__ import annotations

import os
import threading
import time
from os import getpid
from time import monotonic_ns, process_time_ns
from typing import Final

from rrqmp.kernel.descriptors import move_high
from rrqmp.shared_state.board import TYPE_BYTES_MOST, Head, Page, Word, WorkerState
from rrqmp.worker.forking import leave_as_child

_STATE: Final = int(Word.STATE)
_SEQ: Final = int(Word.SEQ)
_ENDED: Final = int(Word.ENDED)
_STARTED: Final = int(Word.STARTED)
_STARTED_WALL: Final = int(Word.STARTED_WALL)
_DEADLINE: Final = int(Word.DEADLINE)
_CPU_AT_START: Final = int(Word.CPU_AT_START)
_QUEUE: Final = int(Word.QUEUE)
_ATTEMPT: Final = int(Word.ATTEMPT)
_POSITION: Final = int(Word.BATCH_POSITION)
_LOOK_AT: Final = int(Word.LOOK_AT)
_CONDEMNED: Final = int(Word.CONDEMNED)
_REVOKED: Final = int(Word.REVOKED)
_CLAIM_SEQ: Final = int(Word.CLAIM_SEQ)
_SOFT: Final = int(Word.SOFT)
_NEXT_WAKE: Final = int(Head.NEXT_WAKE)
_CLAIMING: Final = int(WorkerState.CLAIMING)
_RUNNING: Final = int(WorkerState.RUNNING)
_SETTLING: Final = int(WorkerState.SETTLING)

# How long one activity may hold up the rest of its batch before the supervisor gives that back.
HOLD_UP_NS: Final = 50_000_000
_PARKED_STEP: Final = 0.0001
_POKE: Final = (1).to_bytes(8, "little")


class Record:
    """Begins and ends activities on the board."""

    __slots__ = ("_acquire", "_clear_refs", "_head", "_pid", "_release", "_wake", "page", "words")

    def __init__(self, page: Page, head: memoryview, wake: int) -> None:
        self.page = page
        self.words = page.words
        self._head = head
        self._wake = wake
        lock = threading.Lock()
        self._acquire, self._release = lock.acquire, lock.release
        self._clear_refs = _open_clear_refs()
        self._pid = getpid()

    def become(self, state: WorkerState) -> None:
        """Says what the worker does now."""
        self.words[_STATE] = state

    def hold(self, ids: bytes, length: int, claim_seq: int, queue: int) -> None:
        """Lists a batch that was just claimed; its call's number last, by which the supervisor knows it."""
        self.words[_QUEUE] = queue
        self.page.write_batch(ids, length)
        self.words[_CLAIM_SEQ] = claim_seq

    def begin(
        self,
        activity_id: bytes,
        activity_type: bytes,
        attempt: int,
        timeout_ns: int,
        position: int,
        *,
        more: bool,
        soft_ns: int = 0,
    ) -> int:
        """Publishes the start of an activity and its deadline; the start in monotonic nanoseconds.

        Until SEQ rises a death charges nobody; from then on it is charged to this activity. A `soft_ns` that is not
        shorter than the time-out is none.
        """
        words = self.words
        words[_STATE] = _CLAIMING
        words[_DEADLINE] = 0
        self.page.write_activity(activity_id, activity_type[:TYPE_BYTES_MOST])
        words[_POSITION] = position
        words[_ATTEMPT] = attempt
        if self._clear_refs >= 0:
            # The kernel's high-water mark is for the life of the process: this makes it the activity's own.
            os.write(self._clear_refs, b"5")
        words[_CPU_AT_START] = process_time_ns()
        words[_STARTED_WALL] = time.time_ns()
        now = monotonic_ns()
        deadline = now + timeout_ns
        words[_STARTED] = now
        look_at = deadline
        if 0 < soft_ns < timeout_ns:
            words[_SOFT] = look_at = now + soft_ns
        words[_SEQ] = words[_SEQ] + 1
        if more:
            words[_LOOK_AT] = held_up_at = min(deadline, now + HOLD_UP_NS)
            look_at = min(look_at, held_up_at)
        else:
            words[_LOOK_AT] = 0
        words[_DEADLINE] = deadline
        words[_STATE] = _RUNNING
        self._acquire()
        self._release()
        if look_at < self._head[_NEXT_WAKE]:
            self.poke()
        return now

    def end(self) -> None:
        """Publishes the end. While a kill is under way for this very activity it waits: to be killed, or let go."""
        if getpid() != self._pid:
            # A child that user code forked and let return, or leave by `sys.exit`: all that follows is its parent's.
            leave_as_child()
        words = self.words
        seq = words[_SEQ]
        words[_ENDED] = seq
        self._acquire()
        self._release()
        while words[_CONDEMNED] == seq:
            time.sleep(_PARKED_STEP)
        words[_DEADLINE] = 0

    def begin_uncharged(self, state: WorkerState, timeout_ns: int, *, soft_ns: int = 0, more: bool = False) -> int:
        """Arms a deadline for user code whose death is charged to no activity; the deadline.

        `state` says which code it is, and must be one that the judgement charges nobody in. Ended by `end_uncharged`.
        """
        words = self.words
        words[_STATE] = state
        now = monotonic_ns()
        words[_STARTED] = now
        deadline = look_at = now + timeout_ns
        if soft_ns:
            words[_SOFT] = look_at = now + soft_ns
        words[_SEQ] = words[_SEQ] + 1
        words[_LOOK_AT] = now + HOLD_UP_NS if more else 0
        words[_DEADLINE] = deadline
        self._acquire()
        self._release()
        if min(look_at, words[_LOOK_AT] or look_at) < self._head[_NEXT_WAKE]:
            self.poke()
        return deadline

    def end_uncharged(self) -> None:
        """Publishes the end of what `begin_uncharged` began."""
        self.end()
        self.words[_SOFT] = 0

    def settle(self) -> None:
        """Says that results are on their way to Redis."""
        self.words[_STATE] = _SETTLING

    @property
    def revoked(self) -> bool:
        """Whether the supervisor has given back what this batch has not started."""
        return bool(self.words[_REVOKED] == self.words[_CLAIM_SEQ])

    @property
    def batches_stopped_until(self) -> int:
        """Monotonic nanoseconds until which this node takes activities one at a time, after a crash."""
        return int(self._head[Head.SINGLY_UNTIL])

    def poke(self) -> None:
        """Wakes the supervisor for a look at the board."""
        try:
            os.write(self._wake, _POKE)
        except BlockingIOError:
            # The counter is full of wakings that the supervisor has yet to read: it will wake.
            pass


def _open_clear_refs() -> int:
    try:
        return move_high(os.open("/proc/self/clear_refs", os.O_WRONLY | os.O_CLOEXEC))
    except OSError:
        return -1
