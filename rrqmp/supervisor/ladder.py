"""The kill ladder: condemn, dump and die, SIGKILL, and the admission that a process will not die.

A kill names the activity that it is meant for. Between the look at a deadline and the signal the worker may have
settled and claimed the next one; without the handshake 273 of 1500 kills near a deadline hit an innocent.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable
from typing import Final

from rrqmp.kernel import proc
from rrqmp.kernel.pidfd import send_signal
from rrqmp.kernel.signals import DUMP_AND_DIE, DUMP_ONE_AND_GO_ON
from rrqmp.shared_state.board import KillReason, Word
from rrqmp.shared_state.fence import make_fence
from rrqmp.supervisor.worker_handle import Stage, WorkerHandle

# How long a worker may take to write its stacks and die of the signal.
DUMP_SECONDS: Final = 0.012
# After this a process that SIGKILL was sent to counts as dead: it sleeps in the kernel and runs no user code again.
WEDGED_SECONDS: Final = 1.0
# faulthandler stops at 100 threads, newest first: with more the main one must be written on its own.
_THREADS_ONE_DUMP: Final = 90
_ONE_THREAD_SECONDS: Final = 0.001


class Ladder:
    """Kills workers, each for one stated activity and reason."""

    def __init__(self, on_wedged: Callable[[WorkerHandle], None]) -> None:
        self._on_wedged = on_wedged
        self._fence = make_fence()

    def condemn(self, handle: WorkerHandle, seq: int, reason: KillReason) -> bool:
        """Marks activity `seq` of this worker for death; false, and nothing done, if it has ended meanwhile.

        From a true answer on the worker neither settles nor claims before it is dead.
        """
        words = handle.page.words
        words[Word.REASON] = reason
        words[Word.CONDEMNED] = seq
        self._fence()
        if words[Word.SEQ] != seq or words[Word.ENDED] == seq:
            words[Word.CONDEMNED] = 0
            return False
        handle.ordered = reason
        return True

    def strike(self, handle: WorkerHandle) -> None:
        """Makes a condemned worker write its stacks and die; SIGKILL where it could not write them."""
        obstacle = self._obstacle(handle)
        if obstacle:
            handle.notes.append(obstacle)
            self.kill(handle)
            return
        self._put_forward(handle)
        loop = asyncio.get_running_loop()
        if proc.thread_count(handle.pid) > _THREADS_ONE_DUMP:
            send_signal(handle.pidfd, DUMP_ONE_AND_GO_ON)
            send_signal(handle.pidfd, signal.SIGCONT)
            self._await_one(handle, os.fstat(handle.dump).st_size, loop.time() + DUMP_SECONDS / 2)
        else:
            self._dump_and_die(handle)
        loop.call_later(DUMP_SECONDS, self._after_dump, handle)

    def kill(self, handle: WorkerHandle) -> None:
        """SIGKILL now, and a look a second later at whether it helped."""
        if handle.sentenced or handle.pidfd < 0:
            return
        handle.sentenced = True
        send_signal(handle.pidfd, signal.SIGKILL)
        asyncio.get_running_loop().call_later(WEDGED_SECONDS, self._after_kill, handle)

    def _await_one(self, handle: WorkerHandle, size: int, until: float) -> None:
        """Waits for the dump of one thread: of two signals that are both pending the later one's handler runs first."""
        if handle.stage is Stage.DEAD:
            return
        loop = asyncio.get_running_loop()
        if os.fstat(handle.dump).st_size > size or loop.time() > until:
            self._dump_and_die(handle)
        else:
            loop.call_later(_ONE_THREAD_SECONDS, self._await_one, handle, size, until)

    def _put_forward(self, handle: WorkerHandle) -> None:
        """Gives it our own priority for its last milliseconds, where that is allowed: a stack takes processor time."""
        try:
            os.setpriority(os.PRIO_PROCESS, handle.pid, os.getpriority(os.PRIO_PROCESS, 0))
        except (PermissionError, ProcessLookupError):
            pass

    def _dump_and_die(self, handle: WorkerHandle) -> None:
        if handle.stage is Stage.DEAD:
            return
        send_signal(handle.pidfd, DUMP_AND_DIE)
        # A stopped process takes no signal but these two.
        send_signal(handle.pidfd, signal.SIGCONT)

    def _after_dump(self, handle: WorkerHandle) -> None:
        if handle.stage is not Stage.DEAD:
            handle.notes.append(f"the dump took longer than {DUMP_SECONDS * 1000:.0f} ms")
            self.kill(handle)

    def _after_kill(self, handle: WorkerHandle) -> None:
        if handle.stage is not Stage.DEAD and not handle.wedged:
            handle.wedged = True
            handle.notes.append(f"unreaped: sleeps in the kernel in {proc.wait_channel(handle.pid) or 'unknown'}")
            self._on_wedged(handle)

    def _obstacle(self, handle: WorkerHandle) -> str:
        """Why this process cannot write its stacks now, if so; empty if it can."""
        state = proc.signal_state(handle.pid)
        if state is None:
            return "no stack: its state could not be read"
        if not state.would_catch(DUMP_AND_DIE):
            asleep = proc.wait_channel(handle.pid)
            return "no stack: the handler had blocked or replaced the signal" + (f"; slept in {asleep}" * bool(asleep))
        number = handle.page.words[Word.DUMP_FD]
        if proc.descriptor_target(handle.pid, number) != handle.dump_target():
            # A handler that closed all descriptors may have its own data under this number by now.
            return "no stack: the handler had closed the file that it is written to"
        return ""
