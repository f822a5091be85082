"""The soft limit of an activity: an exception that is raised in the user's code, and nowhere in ours.

The supervisor signals at the limit, and again and again with longer pauses, until this side has taken it: so nothing
has to be remembered where it must be held off, and nothing is lost where a signal comes at a bad moment. It is taken
by setting SOFT back to 0.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic_ns
from types import CodeType, FrameType
from typing import Final

from rrqmp.client import blocked_slot
from rrqmp.errors import SoftTimeout
from rrqmp.handling.invocation import BoundHandler, Invoker
from rrqmp.kernel.signals import SOFT_LIMIT
from rrqmp.shared_state.board import Word

_PACKAGE: Final = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep
# What user code calls of ours. Left halfway it would leave a connection between a call and its answer.
_OURS: Final = tuple(
    f"{_PACKAGE}{room}{os.sep}"
    for room in ("aio", "client", "handling", "kernel", "model", "shared_state", "store", "telemetry", "worker")
)
# Called as a plain function an activity is user code again.
_PASSES_ON: Final = f"{_PACKAGE}handling{os.sep}activity.py"
_CALLS_USER_CODE: Final[frozenset[CodeType]] = frozenset(
    {BoundHandler.invoke.__code__, BoundHandler.dead_letter.__code__}
)
_WAITS: Final = blocked_slot.take.__code__
_NS: Final = 1e9


class SoftLimit:
    """Hears the supervisor's signal in one worker process."""

    def __init__(self, words: memoryview, invoker: Invoker) -> None:
        self._words = words
        self._invoker = invoker
        self._shields = 0
        self._main = threading.get_ident()
        # The activity whose coroutine knows of its cancel: told twice, it would be cancelled while it cleans up.
        self._told_of_cancel = 0

    def arm(self) -> None:
        """Hears the signal from now on, whatever a handler has put in its place."""
        # Python hears signals in its main thread alone; where handlers run in another, as in a test, there is no limit.
        if threading.current_thread() is threading.main_thread():
            signal.signal(SOFT_LIMIT, self._heard)
        # Whoever raised out of a shield in a way that no block survives must not hold off the next activity's.
        self._shields = 0

    @contextmanager
    def shield(self) -> Iterator[None]:
        """Holds it off while the block runs; it comes at the end, unless the block ends with an exception anyway."""
        self._shields += 1
        try:
            yield
        finally:
            self._shields = max(0, self._shields - 1)
        self.catch_up()

    def catch_up(self) -> None:
        """On the way back to user code: raises what has come due meanwhile, without waiting for the next signal."""
        if not self._shields and threading.get_ident() == self._main:
            self._tell_of_cancel()
        due_at = self._words[Word.SOFT]
        if not due_at or self._shields or monotonic_ns() < due_at or not self._is_due():
            return
        # A thread of the handler is not the handler.
        if threading.get_ident() == self._main:
            self._raise_or_cancel()

    def _heard(self, number: int, frame: FrameType | None) -> None:
        words = self._words
        if self._shields or words[Word.SEQ] == words[Word.ENDED]:
            return
        if self._tell_of_cancel():
            return
        if (
            self._is_due()
            and words[Word.SOFT_SENT] == words[Word.SEQ]
            and (self._invoker.runs_coroutine or self._in_user_code(frame))
        ):
            self._raise_or_cancel()

    def _tell_of_cancel(self) -> bool:
        """Whether that was done now: a coroutine hears of its cancel as a task does, a plain handler asks its token."""
        seq = self._words[Word.SEQ]
        if self._words[Word.CANCEL] != seq or self._told_of_cancel == seq or not self._invoker.interrupt():
            return False
        self._told_of_cancel = seq
        return True

    def _is_due(self) -> bool:
        words = self._words
        return words[Word.SOFT] != 0 and words[Word.SEQ] != words[Word.ENDED]

    def _raise_or_cancel(self) -> None:
        words = self._words
        seconds = (words[Word.SOFT] - words[Word.STARTED]) / _NS
        words[Word.SOFT] = 0
        error = SoftTimeout(f"soft limit of {seconds:g} s")
        if not self._invoker.interrupt(error):
            raise error

    def _in_user_code(self, frame: FrameType | None) -> bool:
        """Whether the handler's code is what runs: nothing of ours between it and this moment."""
        inside = False
        # A wait for another activity is ours too and may last for hours: it is raised where that stands still.
        waits = frame is not None and frame.f_code is _WAITS
        while frame is not None:
            code = frame.f_code
            if code in _CALLS_USER_CODE:
                return inside
            file = code.co_filename
            # What is raised in `__del__` is printed and lost.
            if code.co_name == "__del__" or (file.startswith(_OURS) and not waits and file != _PASSES_ON):
                return False
            inside = True
            frame = frame.f_back
        return False
