"""Soft limits: a signal to the worker whose activity has reached its own, until the worker has taken it.

Nothing here kills. A signal that comes while the worker's own code runs, in a shield or in C code that does not return
is lost or late, so it goes out again, with longer pauses; the worker takes it by setting SOFT back to 0, and raises
only if the activity that was meant is what runs.
"""

from __future__ import annotations

from typing import Final

from rrqmp.kernel import proc
from rrqmp.kernel.pidfd import send_signal
from rrqmp.kernel.signals import SOFT_LIMIT
from rrqmp.shared_state.board import Word
from rrqmp.supervisor.worker_handle import WorkerHandle

_FIRST_PAUSE_NS: Final = 5_000_000
_LONGEST_PAUSE_NS: Final = 50_000_000
_NEVER: Final = 2**63


class SoftLimits:
    """Asked at every look for every busy worker; costs one word where no soft limit is set."""

    def examine(self, handle: WorkerHandle, seq: int, now: int) -> int:
        """Signals if the limit of activity `seq` has come; when to look again."""
        words = handle.page.words
        soft = words[Word.SOFT]
        if not soft:
            return _NEVER
        if soft > now:
            return soft
        if words[Word.SOFT_SENT] != seq:
            handle.soft_pause_ns, handle.soft_again_ns = _FIRST_PAUSE_NS, 0
        if now < handle.soft_again_ns:
            return handle.soft_again_ns
        words[Word.SOFT_SENT] = seq
        state = proc.signal_state(handle.pid)
        # Never where it would be blocked, and pile up, or kill: a handler may have done anything to its signals.
        if state is not None and state.would_catch(SOFT_LIMIT):
            send_signal(handle.pidfd, SOFT_LIMIT)
        handle.soft_again_ns = now + handle.soft_pause_ns
        handle.soft_pause_ns = min(_LONGEST_PAUSE_NS, handle.soft_pause_ns * 2)
        return handle.soft_again_ns
