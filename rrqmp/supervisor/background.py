"""A duty of the supervisor that goes on beside all others until the node ends."""

from __future__ import annotations

import asyncio


class Background:
    """One task, which `_run` fills; what must not end it is caught there."""

    _task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begins; needs the running loop."""
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def stop(self) -> None:
        """Ends at once, wherever it is; may be called twice."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        raise NotImplementedError
