"""Killing what a dead worker's handler left behind.

A worker is a subreaper, so while it lives its daemons stay below it, and in the instant of its death they fall to the
supervisor, nameless: whatever child the supervisor does not know is one of them.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable
from typing import Final

from rrqmp.kernel import proc
from rrqmp.supervisor.autopsy import reap
from rrqmp.supervisor.log import LOGGER

_STEP_SECONDS: Final = 0.005
_ROUNDS: Final = 400
_TRACKER_SECONDS: Final = 0.5
_GROUPS_FROM: Final = 64
_TRACKER: Final = "multiprocessing.resource_tracker"


class Sweep:
    """Repeats until no unknown child is left; one sweep at a time serves all deaths meanwhile."""

    def __init__(self, known: Callable[[], set[int]], template_groups: Callable[[], set[int]]) -> None:
        self._known = known
        self._template_groups = template_groups
        self._task: asyncio.Task[None] | None = None
        self._again = False

    def start(self) -> None:
        """Begins a sweep, or makes the one under way look once more."""
        self._again = True
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._run())

    async def finish(self) -> None:
        """Waits for the sweep under way."""
        if self._task is not None:
            await self._task

    async def _run(self) -> None:
        spared: dict[int, float] = {}
        loop = asyncio.get_running_loop()
        for _ in range(_ROUNDS):
            self._again = False
            strays = self._strays()
            for pid in strays:
                # A resource tracker unlinks the shared memory of its dead owner: it is given the time for that.
                if _TRACKER in proc.command_line(pid):
                    until = spared.setdefault(pid, loop.time() + _TRACKER_SECONDS)
                    if loop.time() < until:
                        continue
                self._kill(pid, whole_group=len(strays) > _GROUPS_FROM)
            if not strays and not self._again:
                return
            await asyncio.sleep(_STEP_SECONDS)
        LOGGER.error("processes that a handler left behind will not die: %s", self._strays())

    def _strays(self) -> list[int]:
        known, groups = self._known(), self._template_groups()
        return [pid for pid in proc.children(os.getpid()) if pid not in known and _group(pid) not in groups]

    def _kill(self, pid: int, *, whole_group: bool) -> None:
        try:
            if whole_group and os.getpgid(pid) != os.getpgrp():
                os.killpg(os.getpgid(pid), signal.SIGKILL)
            else:
                os.kill(pid, signal.SIGKILL)
            reap(pid)
        except (ProcessLookupError, ChildProcessError, PermissionError):
            pass


def _group(pid: int) -> int:
    try:
        return os.getpgid(pid)
    except ProcessLookupError:
        return 0
