"""Runners out of a script: `run_tcp` starts the processes and blocks until the orchestrator, or a signal, ends them."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Any, Final, Self

from rrqmp.engine.carrying import carry
from rrqmp.engine.child import child_environment, error_of
from rrqmp.engine.reference import find_application, refuse_missing_guard, search_path
from rrqmp.errors import ConfigurationError
from rrqmp.kernel import proc
from rrqmp.runner.address import FLAG, SocketAddress, find_tcp_socket, parse_tcp_socket
from rrqmp.runner.guard import open_parent
from rrqmp.runner.registry import Registry
from rrqmp.runner.siblings import started_as
from rrqmp.runner.telemetry import NoopTelemetry, Telemetry, telemetry_environment
from rrqmp.shared_state.launch import Launch, Service, encode_launch

_FORWARDED: Final = (signal.SIGINT, signal.SIGTERM)


def run_tcp(registry: Registry, address: SocketAddress | str | None = None, *, workers: int | None = None) -> None:
    """Serves the orchestrator at the address, without one at that which the orchestrator gave; blocks until the end.

    The script is run once more, up to this call, in the process that workers are forked from. Raises
    `ConfigurationError` or `WorkerError` where it ended otherwise than asked.
    """
    run_tcp_with(registry, address, NoopTelemetry(), workers=workers)


def run_tcp_with(
    registry: Registry,
    address: SocketAddress | str | None = None,
    telemetry: Telemetry | None = None,
    *,
    workers: int | None = None,
) -> None:
    """As `run_tcp`, with spans and counts of every request going where `telemetry` sends them."""
    refuse_missing_guard("run_tcp()")
    if not isinstance(registry, Registry):
        raise ConfigurationError(f"{registry!r} is no registry: give a rrqmp.runner.Registry")
    if not len(registry.registry):
        raise ConfigurationError("this registry has no functions: call register() first")
    if not isinstance(address, SocketAddress):
        address = parse_tcp_socket(find_tcp_socket() if address is None else address)
    else:
        address = parse_tcp_socket(str(address))
    with _started(registry, address, telemetry or NoopTelemetry(), workers) as (process, channel):
        with _forwarding_signals(process) as forwarded:
            code = process.wait()
        channel.close()
    error = error_of(code)
    # So early it dies of the very signal: stopped as asked all the same.
    if error is not None and -code not in forwarded:
        raise error


class RunnerRuntime:
    """`run_tcp` as an object, for programs written after the crate's; holds nothing until it runs."""

    def run_tcp(self, registry: Registry, address: SocketAddress | str | None = None) -> None:
        """As the function of this name."""
        run_tcp(registry, address)

    def run_tcp_with(
        self, registry: Registry, address: SocketAddress | str | None, telemetry: Telemetry | None = None
    ) -> None:
        """As the function of this name."""
        run_tcp_with(registry, address, telemetry)

    def enter(self) -> Self:
        """A context in which telemetry may be set up, as in the crate."""
        return self

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None


@contextmanager
def _started(
    registry: Registry, address: SocketAddress, telemetry: Telemetry, workers: int | None
) -> Iterator[tuple[subprocess.Popen[bytes], socket.socket]]:
    """The process that listens: of our own process group, so that the orchestrator's signals reach it too."""
    member = started_as()
    parent = proc.parent(member)
    pidfd = open_parent(member)
    reference = find_application(registry)
    carried = carry(registry) if reference.kind == "pickle" else -1
    ours, theirs = socket.socketpair()
    try:
        order = Launch(
            app=reference,
            sys_path=search_path(),
            service=Service.JOBS,
            parent_fd=theirs.fileno(),
            pickle_fd=carried if carried >= 0 else None,
        )
        passed = [descriptor for descriptor in (theirs.fileno(), pidfd, carried) if descriptor >= 0]
        words = ["--launch", encode_launch(order), FLAG, str(address), "--kin", str(member), str(parent)]
        words += ["--guard-fd", str(pidfd)] if pidfd >= 0 else []
        words += ["--workers", str(workers)] if workers is not None else []
        process = subprocess.Popen(
            [sys.executable, "-m", "rrqmp.runner", *words],
            stdin=subprocess.DEVNULL,
            env={**child_environment(os.environ), **telemetry_environment(telemetry)},
            pass_fds=passed,
        )
    finally:
        theirs.close()
        for descriptor in (pidfd, carried):
            if descriptor >= 0:
                os.close(descriptor)
    try:
        yield process, ours
    finally:
        # The end of the socket is an order to stop; what was interrupted here must not leave it behind.
        ours.close()
        process.wait()


@contextmanager
def _forwarding_signals(process: subprocess.Popen[bytes]) -> Iterator[set[int]]:
    """Hands SIGINT and SIGTERM on, and says which; in other threads than the main one, where nobody can, nothing."""
    forwarded: set[int] = set()
    if threading.current_thread() is not threading.main_thread():
        yield forwarded
        return

    def forward(number: int, frame: FrameType | None) -> None:
        forwarded.add(number)
        process.send_signal(number)

    before: dict[int, Any] = {number: signal.signal(number, forward) for number in _FORWARDED}
    try:
        yield forwarded
    finally:
        for number, handler in before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
