"""Runs `async def` handlers, one at a time, on one loop a worker: a new loop for each would cost more than they do."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Coroutine
from typing import Any, Final, TypeVar

R = TypeVar("R")
_KEPT: Final = "rrqmp-"


def kept_task(coroutine: Coroutine[Any, Any, R], name: str) -> asyncio.Task[R]:
    """A task of ours that lives as long as its loop: the end of one activity does not end it."""
    return asyncio.get_running_loop().create_task(coroutine, name=f"{_KEPT}{name}")


class CoroutineRunner:
    """Keeps a loop between activities and lets nothing that one started run on into the next."""

    def __init__(self) -> None:
        self._runner: asyncio.Runner | None = None
        self._task: asyncio.Task[Any] | None = None
        self._instead: BaseException | None = None

    def run(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        """Runs it to its end on the worker's loop, then ends the tasks that it left behind."""
        runner = self._runner
        # A handler may have closed the loop under us.
        if runner is None or runner.get_loop().is_closed():
            runner = self._runner = asyncio.Runner()
        self._instead = None
        try:
            # A copy for each: with what the caller has in its context, such as a span, and nothing of the last one.
            return runner.run(self._attended(coroutine), context=contextvars.copy_context())
        except asyncio.CancelledError as error:
            if self._instead is None:
                raise
            # With the place where the coroutine stood, and without the asyncio word for it.
            raise self._instead.with_traceback(error.__traceback__) from None
        finally:
            _end_leftovers(runner.get_loop())

    def close(self) -> None:
        """Ends what is kept on the loop, and the loop."""
        if self._runner is not None:
            self._runner.close()
            self._runner = None

    async def _attended(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        self._task = asyncio.current_task()
        try:
            return await coroutine
        finally:
            self._task = None

    @property
    def busy(self) -> bool:
        """Whether a coroutine is under way."""
        return self._task is not None and not self._task.done()

    def interrupt(self, instead: BaseException | None = None) -> bool:
        """Cancels the task of the coroutine that runs; false where none does. May be called from a signal handler.

        The coroutine gets a `CancelledError` at its next await; what comes out of it uncaught is raised as `instead`.
        """
        task = self._task
        if task is None or task.done():
            return False
        self._instead = instead
        task.cancel()
        # The loop may be asleep, and a signal alone does not end its sleep.
        task.get_loop().call_soon_threadsafe(_nothing)
        return True


def _nothing() -> None:
    return None


def _end_leftovers(loop: asyncio.AbstractEventLoop) -> None:
    if loop.is_closed():
        return
    leftovers = [task for task in asyncio.all_tasks(loop) if not task.get_name().startswith(_KEPT)]
    if not leftovers:
        return
    for task in leftovers:
        task.cancel()
    loop.run_until_complete(asyncio.gather(*leftovers, return_exceptions=True))
