"""Process descriptors: a signal through one can never hit a stranger that inherited the number."""

from __future__ import annotations

import ctypes
import os
import signal
from typing import Final

_SYS_PIDFD_SEND_SIGNAL: Final = 424
_SYS_PIDFD_OPEN: Final = 434


def _syscall(number: int, *arguments: int) -> int:
    libc = ctypes.CDLL(None, use_errno=True)
    result = int(libc.syscall(ctypes.c_long(number), *(ctypes.c_long(a) for a in arguments)))
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return result


def open_pidfd(pid: int) -> int:
    """A descriptor that turns readable when `pid` has died. Raises `ProcessLookupError` if it is not there."""
    # Some builds of CPython (python-build-standalone until 2026) lack the call although the kernel has it.
    if hasattr(os, "pidfd_open"):
        return os.pidfd_open(pid)
    return _syscall(_SYS_PIDFD_OPEN, pid, 0)


def send_signal(pidfd: int, number: int) -> bool:
    """Sends a signal; false where the process is dead and reaped already."""
    try:
        if hasattr(signal, "pidfd_send_signal"):
            signal.pidfd_send_signal(pidfd, number)
        else:
            _syscall(_SYS_PIDFD_SEND_SIGNAL, pidfd, number, 0, 0)
    except ProcessLookupError:
        return False
    return True
