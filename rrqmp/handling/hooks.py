"""Hooks around the life of a worker: what an application wants done once in each process."""

from __future__ import annotations

import inspect
import logging
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from rrqmp.errors import ConfigurationError
from rrqmp.handling.worker_facts import WorkerInfo
from rrqmp.model.units import check_seconds

START_SECONDS: Final = 120.0
_log: Final = logging.getLogger("rrqmp.worker")


@dataclass(frozen=True, slots=True)
class WorkerHook:
    """One function of the application; `timeout` in seconds counts for a start hook."""

    function: Callable[..., Any]
    takes_worker: bool
    timeout: float
    origin: str

    def __call__(self, worker: WorkerInfo) -> None:
        """Calls the function with what it takes."""
        if self.takes_worker:
            self.function(worker)
        else:
            self.function()


def make_hook(function: object, what: str, timeout: float | timedelta = START_SECONDS) -> WorkerHook:
    """Reads a hook: a plain function of no argument or of one, the `WorkerInfo`. Raises `ConfigurationError`."""
    if not callable(function):
        raise ConfigurationError(f"{what} is {function!r}: give a function that takes nothing or the WorkerInfo")
    code = getattr(inspect.unwrap(function), "__code__", None)
    name = getattr(function, "__qualname__", repr(function))
    origin = f"{os.path.basename(code.co_filename)}:{code.co_firstlineno} {name}" if code else name
    if inspect.iscoroutinefunction(function):
        raise ConfigurationError(f"{what} {origin} is async: no loop runs there; write a plain function")
    signature = inspect.signature(function)
    for arguments in ((), (object(),)):
        try:
            signature.bind(*arguments)
        except TypeError:
            continue
        return WorkerHook(function, bool(arguments), check_seconds(timeout, f"the timeout of {what}"), origin)
    raise ConfigurationError(f"{what} {origin} takes {signature}: write () or (worker)")


def call_stop_hooks(hooks: Sequence[WorkerHook], worker: WorkerInfo) -> int:
    """Calls all of them; what they raise is logged. How many did."""
    failures = 0
    for hook in hooks:
        try:
            hook(worker)
        except BaseException:
            failures += 1
            _log.exception("on_worker_stop %s failed", hook.origin)
    return failures
