"""`on_worker_start` and `on_worker_stop` of an engine: decorators, or keywords of its constructor."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any, TypeVar, overload

from rrqmp.handling.hooks import START_SECONDS, make_hook
from rrqmp.handling.registry import Registry
from rrqmp.handling.worker_facts import WorkerInfo

Hook = TypeVar("Hook", bound=Callable[[], Any] | Callable[[WorkerInfo], Any])


class WorkerHooks:
    """What an engine's application wants done once in each worker process."""

    registry: Registry

    @overload
    def on_worker_start(self, function: Hook, /) -> Hook: ...

    @overload
    def on_worker_start(self, /, *, timeout: float | timedelta) -> Callable[[Hook], Hook]: ...

    def on_worker_start(self, function: Any = None, /, *, timeout: float | timedelta = START_SECONDS) -> Any:
        """Decorates what runs in each worker after the fork, before its first claim, for at most `timeout` (120 s).

        It takes nothing or the `WorkerInfo`. Where it raises or hangs that worker claims nothing: it counts as a failed
        start, which is tried again, later each time, and ends the supervisor after ten in a row.
        """
        if function is None:
            return lambda decorated: self._starts_with(decorated, timeout)
        return self._starts_with(function, timeout)

    def on_worker_stop(self, function: Hook, /) -> Hook:
        """Decorates what runs when a worker leaves, after all `teardown`: two seconds for all of them.

        Not where its process is killed or crashes. What it raises is logged.
        """
        self._refuse_when_running()
        self.registry.on_worker_stop.append(make_hook(function, "on_worker_stop"))
        return function

    def _starts_with(self, function: Any, timeout: float | timedelta) -> Any:
        self._refuse_when_running()
        self.registry.on_worker_start.append(make_hook(function, "on_worker_start", timeout))
        return function

    def _refuse_when_running(self) -> None:
        raise NotImplementedError
