"""`rrqmp runner` and `python -m rrqmp.runner`: two doors of one command, which becomes a runner for RRQ."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
import msgspec

from rrqmp.cli.commands import exit_code_of
from rrqmp.cli.setting_options import setting_options, settings_inputs
from rrqmp.errors import ConfigurationError
from rrqmp.runner.address import VARIABLE, SocketAddress, find_tcp_socket, parse_tcp_socket
from rrqmp.shared_state.launch import Launch, Service, decode_launch

_SETTINGS = ("app", "app_dir", "max_workers", "spares", "threads_per_worker", "log_level", "log_format")


@click.command("runner")
@setting_options(_SETTINGS)
@click.option(
    "--tcp-socket",
    default=None,
    metavar="HOST:PORT",
    help=f"loopback address to listen at; the orchestrator appends it  [{VARIABLE}]",
)
@click.option("--launch", default=None, hidden=True, help="order of run_tcp(), as JSON")
@click.option("--guard-fd", default=None, type=int, hidden=True, help="pidfd of whom it must not outlive")
@click.option("--kin", default=(0, 0), type=(int, int), hidden=True, help="pids of the pool's member and its parent")
def command(
    tcp_socket: str | None,
    launch: str | None,
    guard_fd: int | None,
    kin: tuple[int, int],
    config: Path | None,
    **options: Any,
) -> None:
    """Answers the RRQ orchestrator: give it as `cmd` of a runner in rrq.toml.

    SIGTERM ends it at once, with every process of its own; so does the end of whoever started it. Exit codes: 0 stopped
    as asked, 1 fault, 2 usage or a wrong address, 70 workers do not start, 78 configuration.
    """
    address = _address(tcp_socket)
    if sys.platform != "linux":
        raise ConfigurationError(f"workers need Linux (pidfds, subreapers, /proc) and this is {sys.platform}")
    # Imported here: `--help` and every misspelt option should answer at once.
    from rrqmp.runner.serve import RunnerOrder, serve_runner

    inputs = settings_inputs({**options, "config": config})
    order = RunnerOrder(
        launch=_launch(launch, inputs.resolve().settings.app, options["app_dir"] or "."),
        address=address,
        inputs=inputs,
        guard_fd=guard_fd,
        member=kin[0],
        parent=kin[1],
    )
    serve_runner(order)


def main(arguments: Sequence[str] | None = None) -> None:
    """The other door: `python -m rrqmp.runner`."""
    call = lambda: command.main(args=arguments, prog_name="python -m rrqmp.runner", standalone_mode=False)  # noqa: E731
    sys.exit(exit_code_of(call))


def _address(given: str | None) -> SocketAddress:
    try:
        return parse_tcp_socket(find_tcp_socket([], os.environ) if given is None else given)
    except ConfigurationError as error:
        raise click.UsageError(str(error)) from None


def _launch(encoded: str | None, app: str, app_dir: str) -> Launch:
    if encoded is not None:
        try:
            return decode_launch(encoded)
        except msgspec.DecodeError as error:
            raise click.UsageError(f"--launch is not for people: run_tcp() gives it ({error})") from error
    if not app:
        raise click.UsageError("no application: give --app package.module:registry")
    from rrqmp.supervisor.application import launch_of

    return msgspec.structs.replace(launch_of(app, app_dir), service=Service.JOBS)
