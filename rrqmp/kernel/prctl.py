"""The three prctl calls that tie the life of one process to another's. Linux only."""

from __future__ import annotations

import ctypes
import os
import signal
from typing import Final

_PR_SET_PDEATHSIG: Final = 1
_PR_SET_CHILD_SUBREAPER: Final = 36

_libc = ctypes.CDLL(None, use_errno=True)


def _prctl(option: int, value: int) -> None:
    if _libc.prctl(option, ctypes.c_ulong(value), 0, 0, 0) != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))


def die_with_parent(number: int = signal.SIGKILL) -> None:
    """Asks for `number` when the parent dies.

    The kernel binds this to the parent's thread and forgets it at fork, setuid and setgid: call it last, then compare
    `os.getppid()` once more, since a parent that died just before sends nothing.
    """
    _prctl(_PR_SET_PDEATHSIG, number)


def outlive_parent() -> None:
    """Takes `die_with_parent` back."""
    _prctl(_PR_SET_PDEATHSIG, 0)


def adopt_orphans() -> None:
    """Makes this process the new parent of whatever its descendants leave behind."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)
