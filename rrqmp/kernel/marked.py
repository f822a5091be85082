"""Killing all that carries a mark in its environment: what fled its process group, its session and its parent."""

from __future__ import annotations

import os
import signal
from typing import Final

from rrqmp.kernel import proc

_ROUNDS: Final = 50


def kill_marked(name: str, value: str) -> int:
    """SIGKILL to every process but this one that was started with `name=value`; how many that were.

    Round after round until nothing new is found, since what is killed may have forked meanwhile; bounded, since what
    sleeps in the kernel dies only when it wakes.
    """
    killed: set[int] = set()
    for _ in range(_ROUNDS):
        found = [pid for pid in proc.pids_with_environment(name, value) if _runs(pid)]
        if not found:
            break
        for pid in found:
            try:
                os.kill(pid, signal.SIGKILL)
            except (ProcessLookupError, PermissionError):
                pass
            killed.add(pid)
    return len(killed)


def _runs(pid: int) -> bool:
    state = proc.signal_state(pid)
    return state is not None and state.state not in "ZX"
