"""Stand-ins for what a worker has because it is a process under a supervisor, where handlers run in the test's own."""

from __future__ import annotations

import time

from rrqmp.model.progress import WHOLE, Progress, encode_progress
from rrqmp.store.calls.attempt_notes import publish_progress
from rrqmp.store.calls.show import show
from rrqmp.worker.board_signals import ActivitySignals
from rrqmp.worker.dumps import Dumps
from rrqmp.worker.soft_limit import SoftLimit


class NoDumps(Dumps):
    """Nobody kills this process for its stack: no signal is taken from the test."""

    def __init__(self) -> None:
        """Has no file."""

    def mend(self) -> None:
        """There is nothing to mend."""


class NoSoftLimit(SoftLimit):
    """Nobody signals; and in a thread beside the test's loop nobody could hear."""

    def arm(self) -> None:
        """Leaves the signal alone."""


class EagerError(RuntimeError):
    """Something that in workers would go on for ever, or until somebody mends it; around it no handler tries again."""

    is_retryable = False


class InPlaceSignals(ActivitySignals):
    """No supervisor stands between the handler and Redis: it asks and tells by itself, each time."""

    def cancelled(self) -> bool:
        """Whether somebody asked for the end of this very activity."""
        record = self.run(show(self._queue, self._page.activity_id()))
        return record is not None and record.cancel_requested

    def report(self, activity_id: str, millionths: int | None, message: bytes) -> None:
        """Published at once."""
        fraction = None if millionths is None else millionths / WHOLE
        progress = Progress(fraction=fraction, message=message.decode(errors="replace"), at=time.time())
        told = (activity_id, self._token, encode_progress(progress))
        self.run(publish_progress(self._queue, [told]))

    def _in_own_thread(self) -> bool:
        # Handlers run in whatever thread submits.
        return False
