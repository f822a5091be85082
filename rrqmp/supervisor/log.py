"""The supervisor's log: a line never waits for whoever reads it.

With nobody reading the pipe, or Ctrl-S in the terminal, a plain write blocks for good, and every deadline with it.
"""

from __future__ import annotations

import asyncio
import collections
import logging
import os
import select
import stat
import sys
from typing import Final

from rrqmp.shared_state.log_lines import ROOT, formatter_for

LOGGER: Final = logging.getLogger("rrqmp.supervisor")
_LINES_MOST: Final = 10_000
_PIECE_BYTES: Final = 512


class NonBlockingHandler(logging.Handler):
    """Keeps what the descriptor will not take yet, and counts what it had to drop."""

    def __init__(self, descriptor: int) -> None:
        super().__init__()
        self._descriptor, self._must_ask = _open_beside(descriptor)
        self._waiting: collections.deque[bytes] = collections.deque()
        self._dropped = 0
        self._watching: asyncio.AbstractEventLoop | None = None

    def emit(self, record: logging.LogRecord) -> None:
        """Takes one line; never raises and never waits."""
        try:
            line = (self.format(record) + "\n").encode(errors="replace")
        except Exception:  # noqa: BLE001 - logging's own rule: a faulty line is reported, never raised
            self.handleError(record)
            return
        if len(self._waiting) >= _LINES_MOST:
            self._dropped += 1
            return
        self._waiting.append(line)
        self.push()

    def push(self) -> None:
        """Writes what the descriptor takes now; asks the loop to call again for the rest."""
        try:
            while self._waiting or self._dropped:
                self._write_some()
        except BlockingIOError:
            self._watch()
            return
        except OSError:
            # The reader is gone: nobody will ever see these lines.
            self._waiting.clear()
            self._dropped = 0
        self._unwatch()

    def _write_some(self) -> None:
        if not self._waiting:
            dropped, self._dropped = self._dropped, 0
            self._waiting.append(f"{dropped} lines of log were dropped: nobody read them\n".encode())
        piece = self._waiting[0]
        if self._must_ask:
            if not select.select((), (self._descriptor,), (), 0)[1]:
                raise BlockingIOError
            # A longer one might wait for room in the middle.
            piece = piece[:_PIECE_BYTES]
        written = os.write(self._descriptor, piece)
        if written < len(self._waiting[0]):
            self._waiting[0] = self._waiting[0][written:]
        else:
            self._waiting.popleft()

    def _watch(self) -> None:
        if self._watching is None:
            try:
                self._watching = asyncio.get_running_loop()
                self._watching.add_writer(self._descriptor, self.push)
            except (RuntimeError, PermissionError):
                # No loop yet, or a kind that cannot be waited for; the next line tries again.
                self._watching = None

    def _unwatch(self) -> None:
        if self._watching is not None:
            self._watching.remove_writer(self._descriptor)
            self._watching = None


def _open_beside(descriptor: int) -> tuple[int, bool]:
    """A description of our own of the same file, and whether it must be asked before each write.

    The flag that makes a description non-blocking would else be everybody's who shares it.
    """
    mode = os.fstat(descriptor).st_mode
    if stat.S_ISREG(mode):
        # Never blocks, and a second description would start at offset 0, over what is there.
        return descriptor, False
    try:
        return os.open(f"/proc/self/fd/{descriptor}", os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY), False
    except OSError:
        return descriptor, True


def open_log(level: str, form: str) -> NonBlockingHandler:
    """Sends this process's log to standard error, as text for people or as one JSON object a line."""
    handler = NonBlockingHandler(sys.stderr.fileno())
    handler.setFormatter(formatter_for(form))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger(ROOT).setLevel(level.upper())
    return handler
