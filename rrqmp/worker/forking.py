"""The double fork: the worker's parent is gone before it runs, so that the supervisor, a subreaper, adopts it."""

from __future__ import annotations

import os
import struct
import sys
from collections.abc import Callable
from typing import Final, NoReturn

_RESULT: Final = struct.Struct("=ii")
_FORK_FAILED: Final = 3
_CHILD_FAILED: Final = 71


def fork_worker(child_main: Callable[[], NoReturn]) -> tuple[int, int]:
    """Forks a grandchild that runs `child_main`; its pid and 0, or 0 and the errno of the fork that failed.

    When this returns the grandchild is the supervisor's child: the one between has been reaped.
    """
    # What lies in the buffers at a fork would be printed once by every child.
    sys.stdout.flush()
    sys.stderr.flush()
    read_end, write_end = os.pipe()
    try:
        try:
            between = os.fork()
        except OSError as error:
            return 0, error.errno or 0
        if between == 0:
            _fork_again(read_end, write_end, child_main)
        # Closed before the read: a child that dies without a word must end the stream.
        os.close(write_end)
        write_end = -1
        answer = os.read(read_end, _RESULT.size)
        os.waitpid(between, 0)
    finally:
        os.close(read_end)
        if write_end >= 0:
            os.close(write_end)
    if len(answer) != _RESULT.size:
        return 0, 0
    pid, code = _RESULT.unpack(answer)
    return pid, code


def _fork_again(read_end: int, write_end: int, child_main: Callable[[], NoReturn]) -> NoReturn:
    status = _FORK_FAILED
    try:
        try:
            pid = os.fork()
        except OSError as error:
            os.write(write_end, _RESULT.pack(0, error.errno or 0))
        else:
            if pid == 0:
                status = _CHILD_FAILED
                os.close(read_end)
                os.close(write_end)
                child_main()
            os.write(write_end, _RESULT.pack(pid, 0))
            status = 0
    finally:
        # Whatever happens, no copy of the template may return into the template's own stack.
        os._exit(status)


def leave_as_child() -> NoReturn:
    """Ends a process that a handler forked and that has come back to our code, where only the worker itself may go on.

    With what it printed, and without the exit hooks: those are its parent's too.
    """
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError, AttributeError):
            pass
    os._exit(0)
