"""A runner for the RRQ orchestrator: handlers behind its socket protocol, each job in a process that can be killed."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rrqmp.runner.address import SocketAddress as SocketAddress
    from rrqmp.runner.address import find_tcp_socket as find_tcp_socket
    from rrqmp.runner.address import parse_tcp_socket as parse_tcp_socket
    from rrqmp.runner.messages import PROTOCOL_VERSION as PROTOCOL_VERSION
    from rrqmp.runner.messages import OutcomeStatus as OutcomeStatus
    from rrqmp.runner.outcome import ExecutionError as ExecutionError
    from rrqmp.runner.outcome import ExecutionOutcome as ExecutionOutcome
    from rrqmp.runner.registry import Registry as Registry
    from rrqmp.runner.request import ExecutionContext as ExecutionContext
    from rrqmp.runner.request import ExecutionRequest as ExecutionRequest
    from rrqmp.runner.running import RunnerRuntime as RunnerRuntime
    from rrqmp.runner.running import run_tcp as run_tcp
    from rrqmp.runner.running import run_tcp_with as run_tcp_with

# Each name is imported when it is first asked for: the process that listens loads no handler's side.
_HOMES = {
    "address": ("SocketAddress", "find_tcp_socket", "parse_tcp_socket"),
    "messages": ("PROTOCOL_VERSION", "OutcomeStatus"),
    "outcome": ("ExecutionError", "ExecutionOutcome"),
    "registry": ("Registry",),
    "request": ("ExecutionContext", "ExecutionRequest"),
    "running": ("RunnerRuntime", "run_tcp", "run_tcp_with"),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    home = _HOME_OF.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(f"{__name__}.{home}"), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME_OF})


if not TYPE_CHECKING:
    # Type checkers read the imports above.
    __all__ = [*_HOME_OF]  # noqa: PLE0604 - the table holds strings only
