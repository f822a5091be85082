"""SIGUSR1: what every slot does now, with the stacks of those that run something."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Sequence
from typing import Final

from rrqmp.kernel import proc
from rrqmp.kernel.pidfd import send_signal
from rrqmp.kernel.signals import DUMP_AND_GO_ON
from rrqmp.shared_state.board import KillReason, Word
from rrqmp.shared_state.stack_text import trim
from rrqmp.supervisor.autopsy import read_dump
from rrqmp.supervisor.log import LOGGER
from rrqmp.supervisor.worker_handle import Stage, WorkerHandle

# faulthandler writes in about a millisecond, in C code too; a loaded machine takes longer.
_DUMP_SECONDS: Final = 0.05


async def log_slots(workers: Sequence[WorkerHandle]) -> None:
    """Logs one line a process, and under it where its activity is."""
    sizes: dict[int, int] = {}
    for handle in workers:
        state = proc.signal_state(handle.pid) if handle.page.busy and handle.ordered is KillReason.NONE else None
        if state is not None and state.would_catch(DUMP_AND_GO_ON):
            sizes[handle.life] = os.fstat(handle.dump).st_size
            send_signal(handle.pidfd, DUMP_AND_GO_ON)
    await asyncio.sleep(_DUMP_SECONDS)
    for handle in workers:
        # Who died meanwhile has an obituary, and its page and file are no longer its own.
        if handle.stage is not Stage.DEAD:
            LOGGER.info("%s", _describe(handle, sizes.get(handle.life)))


def _describe(handle: WorkerHandle, dumped_from: int | None) -> str:
    page = handle.page
    if handle.pidfd < 0 or not page.busy:
        return f"{handle} {page.state.name.lower()}"
    age = (time.monotonic_ns() - page.words[Word.STARTED]) / 1e9
    left = (page.words[Word.DEADLINE] - time.monotonic_ns()) / 1e9
    does = "waits in" if page.waiting else "runs"
    first = f"{handle} {does} {page.activity_type()} {page.activity_id()} for {age:.2f} s, deadline in {left:.2f} s"
    if dumped_from is None:
        return first
    dump = read_dump(handle.dump, dumped_from)
    handle.dumped_from = os.fstat(handle.dump).st_size
    return "\n         ".join([first, *trim(dump).splitlines()])
