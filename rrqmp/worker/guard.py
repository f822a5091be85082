"""What the template does when the supervisor has died: nothing that it or its workers started may live on.

The kernel kills the workers themselves (the parent's death signal); what they spawned has no such tie.
"""

from __future__ import annotations

import os
import signal

from rrqmp.kernel import marked, proc
from rrqmp.shared_state.board import STRIDE, Board, Word
from rrqmp.shared_state.messages import MARK_VARIABLE


def kill_survivors(board_descriptor: int) -> None:
    """Kills every worker's descendants and group, then whatever carries the node's mark, then the caller's own group.

    Does not return: the caller is in that group.
    """
    board = Board(board_descriptor, os.fstat(board_descriptor).st_size // STRIDE, writable=False)
    for page in board.pages:
        pid, started = page.words[Word.PID], page.words[Word.START_TIME]
        if pid == 0:
            continue
        now = proc.start_time(pid)
        if now == started:
            for below in proc.descendants(pid):
                _kill(below)
            _kill(pid)
        if now in (0, started):
            # The group outlives its leader: the number cannot be given to another group while a member lives.
            _kill_group(pid)
    kill_marked()


def kill_marked() -> None:
    """Kills whatever carries the node's mark and the caller's own group; does not return."""
    mark = os.environ.get(MARK_VARIABLE)
    if mark:
        marked.kill_marked(MARK_VARIABLE, mark)
    _kill_group(os.getpgrp())


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        pass


def _kill_group(group: int) -> None:
    try:
        os.killpg(group, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        pass
