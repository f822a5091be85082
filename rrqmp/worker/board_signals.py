"""What a running handler hears and says: by the board, and for checkpoints by the worker's own connection."""

from __future__ import annotations

import threading
from contextlib import AbstractContextManager

from rrqmp.handling.context import NoSignals
from rrqmp.shared_state.board import PROGRESS_NONE, Draining, Page, Word
from rrqmp.store.calls.attempt_notes import read_checkpoint, save_checkpoint
from rrqmp.store.keys import QueueKeys
from rrqmp.worker.queue_source import QueueSource
from rrqmp.worker.soft_limit import SoftLimit


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


class ActivitySignals(BoardSignals):
    """For activities of a queue. The board names the one that runs, so nothing is made for each of them."""

    def __init__(self, page: Page, source: QueueSource, soft: SoftLimit) -> None:
        super().__init__(page.words)
        self._page = page
        self._source = source
        self._soft = soft
        # A handler's threads may save too, and the connection bears one call at a time.
        self._lock = threading.Lock()

    def report(self, millionths: int | None, message: bytes) -> None:
        """Writes it on the board; the supervisor publishes it."""
        self._page.write_progress(PROGRESS_NONE if millionths is None else millionths, message)
        self._soft.catch_up()

    def save(self, activity_id: str, checkpoint: bytes) -> bool:
        """Stores it under the claim's token; false where that is not the activity's any more."""
        with self._lock:
            stored = self._source.connection.run(save_checkpoint(self._queue, activity_id, self._token, checkpoint))
        self._soft.catch_up()
        return stored

    def saved(self, activity_id: str) -> bytes:
        """What is stored; empty where nothing is."""
        with self._lock:
            checkpoint = self._source.connection.run(read_checkpoint(self._queue, activity_id))
        self._soft.catch_up()
        return checkpoint

    @property
    def _queue(self) -> QueueKeys:
        return self._source.keys[self._words[Word.QUEUE]]

    @property
    def _token(self) -> str:
        return self._source.ident.token(self._words[Word.CLAIM_SEQ])

    def shield(self) -> AbstractContextManager[None]:
        """Holds off the soft limit."""
        return self._soft.shield()
