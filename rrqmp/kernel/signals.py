"""The real-time signals that make a worker write its stacks, and names for all signals.

Real-time numbers are used because SIGUSR1 and SIGUSR2 belong to the handlers (SLURM, Lightning and gunicorn users take
them). faulthandler writes from C, so all three work in code that holds the interpreter lock.
"""

from __future__ import annotations

import signal
from typing import Final

# All stacks, then the default action of the signal, which is death: one signal, nothing to poll for.
DUMP_AND_DIE: Final = signal.SIGRTMAX - 3
# All stacks, and on it goes.
DUMP_AND_GO_ON: Final = signal.SIGRTMAX - 4
# The current thread's stack only: faulthandler stops at 100 threads, newest first, and would leave the main one out.
DUMP_ONE_AND_GO_ON: Final = signal.SIGRTMAX - 5

# A soft limit has come: a handler of Python raises in the user's code, where that is still what runs.
SOFT_LIMIT: Final = signal.SIGRTMAX - 7

# To a template that is still importing: its supervisor is dead.
PARENT_DIED: Final = signal.SIGRTMAX - 6


def signal_name(number: int) -> str:
    """`SIGSEGV`, or `SIGRTMAX-3` for a real-time signal."""
    try:
        return signal.Signals(number).name
    except ValueError:
        below = signal.SIGRTMAX - number
        return f"SIGRTMAX-{below}" if 0 < below < 32 else f"signal {number}"
