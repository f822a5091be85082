"""Every worker process that is not reaped yet."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

from rrqmp.supervisor.worker_handle import WorkerHandle


class Roster:
    """Processes by the number of their life; iterating goes over a copy, so that whoever looks may also bury."""

    def __init__(self) -> None:
        self._handles: dict[int, WorkerHandle] = {}
        self._empty = asyncio.Event()

    def __len__(self) -> int:
        return len(self._handles)

    def __iter__(self) -> Iterator[WorkerHandle]:
        return iter(list(self._handles.values()))

    def add(self, handle: WorkerHandle) -> None:
        """A process has been asked for."""
        self._handles[handle.life] = handle

    def get(self, life: int) -> WorkerHandle | None:
        """The process of that life, if it is not reaped."""
        return self._handles.get(life)

    def remove(self, handle: WorkerHandle) -> None:
        """It has been reaped, or never was."""
        self._handles.pop(handle.life, None)
        if not self._handles:
            self._empty.set()

    async def emptied(self) -> None:
        """Waits until none is left, successors that were forked meanwhile among them."""
        while self._handles:
            self._empty.clear()
            await self._empty.wait()

    @property
    def busy(self) -> list[WorkerHandle]:
        """Workers that run an activity now."""
        return [handle for handle in self._handles.values() if handle.page.busy]

    @property
    def spares(self) -> list[WorkerHandle]:
        """Processes that may be given a slot."""
        return [handle for handle in self._handles.values() if handle.is_spare]

    def pids(self) -> set[int]:
        """All that are known."""
        return {handle.pid for handle in self._handles.values() if handle.pid}
