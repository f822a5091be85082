"""Signals that the supervisor hears: one table from the signal to what it asks for."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Callable
from typing import Final

# A terminal sends Ctrl-C to the whole group, and a parent may pass the same one on: that is one wish, not two.
_SAME_WISH_SECONDS: Final = 0.5
_STOPS: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class Signals:
    """Wishes to stop are counted; a copy of the same signal within half a second is the same wish."""

    def __init__(self, on_stop: Callable[[int], None], on_look: Callable[[], None]) -> None:
        self._on_stop = on_stop
        self._on_look = on_look
        self._wishes = 0
        self._last: tuple[int, float] = (0, 0.0)

    def install(self) -> None:
        """Needs the running loop. A hang-up that was ignored at the start (nohup) stays ignored."""
        loop = asyncio.get_running_loop()
        for number in _STOPS:
            if number == signal.SIGHUP and signal.getsignal(number) is signal.SIG_IGN:
                continue
            loop.add_signal_handler(number, self.wish, number)
        loop.add_signal_handler(signal.SIGUSR1, self._on_look)

    def wish(self, number: int) -> None:
        """One signal came; the first wish drains, the second gives back at once."""
        now = time.monotonic()
        before, when = self._last
        if number == before and now - when < _SAME_WISH_SECONDS:
            return
        self._last = (number, now)
        self._wishes += 1
        self._on_stop(self._wishes)
