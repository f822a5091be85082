"""Signals of a template and of a worker: the terminal's and the orchestrator's are heard by the supervisor alone."""

from __future__ import annotations

import os
import signal
import threading
from types import FrameType
from typing import Final

_STOPS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class DeafToStops:
    """Makes stop signals do nothing here, while what handlers start dies of them as usual.

    Ignoring them outright would be inherited over exec, and `Popen.terminate()` would then do nothing. A handler that
    does nothing is reset by exec, and by the hooks below in a plain forked child; they hold the signals back until it
    is, since `Process.terminate()` right after `start()` would else be heard by the handler that does nothing.
    """

    def __init__(self) -> None:
        self._forks_are_the_handlers = False
        self._masks = threading.local()

    def install(self) -> None:
        """Once in the template; its workers inherit it."""
        for number in _STOPS:
            signal.signal(number, _do_nothing)
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        os.register_at_fork(before=self._hold, after_in_parent=self._let_go, after_in_child=self._restore)

    def arm(self) -> None:
        """In a worker: from now on forks are the handlers' own, and their children get the default actions back."""
        self._forks_are_the_handlers = True

    def _hold(self) -> None:
        if self._forks_are_the_handlers:
            self._masks.former = signal.pthread_sigmask(signal.SIG_BLOCK, _STOPS)

    def _let_go(self) -> None:
        if self._forks_are_the_handlers:
            signal.pthread_sigmask(signal.SIG_SETMASK, self._masks.former)

    def _restore(self) -> None:
        if not self._forks_are_the_handlers:
            return
        for number in _STOPS:
            if signal.getsignal(number) is _do_nothing:
                signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, self._masks.former)


def _do_nothing(number: int, frame: FrameType | None) -> None:
    return None
