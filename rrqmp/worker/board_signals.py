"""What a running handler hears and says: by the board, and for checkpoints by a connection to the store."""

from __future__ import annotations

import os
import threading
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import TypeVar

from rrqmp.handling.context import NoSignals
from rrqmp.shared_state.board import PROGRESS_NONE, Draining, Page, Word
from rrqmp.store.calls.attempt_notes import read_checkpoint, save_checkpoint
from rrqmp.store.connection import BlockingConnection
from rrqmp.store.keys import QueueKeys
from rrqmp.store.script import Call
from rrqmp.worker.queue_source import QueueSource
from rrqmp.worker.soft_limit import SoftLimit

R = TypeVar("R")


class BoardSignals(NoSignals):
    """What the supervisor wrote on the board for the activity that runs, whichever it is."""

    def __init__(self, words: memoryview) -> None:
        super().__init__()
        self._words = words

    def cancelled(self) -> bool:
        """Whether somebody asked for the end of this very activity."""
        return bool(self._words[Word.CANCEL] == self._words[Word.SEQ])

    def stopping(self) -> bool:
        """Whether this worker's supervisor stops; one that is only no longer needed has all its time."""
        return bool(self._words[Word.DRAINING] == Draining.STOPPING)


@dataclass(frozen=True, slots=True)
class _Aside:
    """The connection of all threads but the worker's own, in one process."""

    pid: int
    connection: BlockingConnection
    lock: threading.Lock = field(default_factory=threading.Lock)


class ActivitySignals(BoardSignals):
    """For activities of a queue. The board names the one that runs, so nothing is made for each of them.

    A handler's thread may save too, and may outlive its activity; so may a process that it forks. Neither ever speaks
    over the worker's own connection, which would be between a call and its answer.
    """

    def __init__(self, page: Page, source: QueueSource, soft: SoftLimit) -> None:
        super().__init__(page.words)
        self._page = page
        self._source = source
        self._soft = soft
        self._own = (os.getpid(), threading.get_ident())
        self._aside: _Aside | None = None

    def report(self, activity_id: str, millionths: int | None, message: bytes) -> None:
        """Writes it on the board; the supervisor publishes it."""
        if not self._in_own_thread() and self._page.activity_id().strip() != activity_id:
            # A thread that has outlived its activity: another one's is no affair of it.
            return
        self._page.write_progress(PROGRESS_NONE if millionths is None else millionths, message)
        self._soft.catch_up()

    def save(self, activity_id: str, checkpoint: bytes) -> bool:
        """Stores it under the claim's token; false where that is not the activity's any more."""
        stored = self.run(save_checkpoint(self._queue, activity_id, self._token, checkpoint))
        self._soft.catch_up()
        return stored

    def saved(self, activity_id: str) -> bytes:
        """What is stored; empty where nothing is."""
        checkpoint = self.run(read_checkpoint(self._queue, activity_id))
        self._soft.catch_up()
        return checkpoint

    def run(self, call: Call[R]) -> R:
        """Runs a script call for whoever asks."""
        if self._in_own_thread():
            return self._source.connection.run(call)
        aside = self._aside
        if aside is None or aside.pid != os.getpid():
            aside = self._aside = _Aside(os.getpid(), self._source.connection.another())
        with aside.lock:
            return aside.connection.run(call)

    def close(self) -> None:
        """Closes what was opened for other threads."""
        if self._aside is not None and self._aside.pid == os.getpid():
            self._aside.connection.close()

    def _in_own_thread(self) -> bool:
        return self._own == (os.getpid(), threading.get_ident())

    @property
    def _queue(self) -> QueueKeys:
        return self._source.keys[self._words[Word.QUEUE]]

    @property
    def _token(self) -> str:
        return self._source.ident.token(self._words[Word.CLAIM_SEQ])

    def shield(self) -> AbstractContextManager[None]:
        """Holds off the soft limit."""
        return self._soft.shield()
