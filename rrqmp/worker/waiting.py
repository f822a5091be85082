"""The worker's word on the board that its handler waits for another activity."""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence

from rrqmp.shared_state.board import Word
from rrqmp.worker.record import Record


class WaitMark:
    """Marks the slot while any thread of the running handler waits. What is marked is the activity and not the process,
    so that a thread which outlives its activity blocks nobody's slot."""

    def __init__(self, record: Record, queues: Sequence[str]) -> None:
        self._record = record
        self._queues = queues
        self._pid = os.getpid()
        self._lock = threading.Lock()
        self._seq = 0
        self._waits = 0

    def wait_began(self) -> int:
        """Marks the running activity as waiting and wakes the supervisor."""
        if os.getpid() != self._pid:
            # A child that the handler forked: the page is its parent's.
            return 0
        words = self._record.words
        with self._lock:
            seq = words[Word.SEQ]
            if seq == words[Word.ENDED]:
                return 0
            if seq != self._seq:
                self._seq, self._waits = seq, 0
            self._waits += 1
            words[Word.WAITING] = seq
        self._record.poke()
        return seq

    def wait_ended(self, mark: int) -> None:
        """Takes the mark away with the last wait. The supervisor need not hurry: it sees that at its next look."""
        if not mark or os.getpid() != self._pid:
            return
        with self._lock:
            if mark == self._seq:
                self._waits -= 1
                if not self._waits:
                    self._record.words[Word.WAITING] = 0

    def blocked(self) -> tuple[str, str]:
        """Queue and id of the activity that runs."""
        place = self._record.words[Word.QUEUE]
        queue = self._queues[place] if place < len(self._queues) else ""
        return queue, self._record.page.activity_id().strip()

    def hastened(self) -> None:
        """Wakes the supervisor, which may have found nothing to do at its last look."""
        if os.getpid() == self._pid:
            self._record.poke()
