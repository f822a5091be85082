"""`rrqmp run` and `python -m rrqmp.supervisor`: two doors of one command, which becomes the supervisor."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import click
import msgspec

from rrqmp.cli.commands import exit_code_of
from rrqmp.cli.setting_options import setting_options, settings_inputs
from rrqmp.errors import ConfigurationError
from rrqmp.shared_state.launch import Launch, decode_launch


@click.command("run")
@setting_options()
@click.option("--launch", default=None, hidden=True, help="order of engine.start(), as JSON")
def command(launch: str | None, **options: Any) -> int:
    """Serves queues until it is told to stop.

    Ctrl-C or SIGTERM lets running activities finish up to --shutdown-timeout; a second one gives them back at once.
    Exit codes: 0 stopped as asked, 1 fault, 2 usage, 69 Redis unreachable, 70 workers do not start, 78 configuration.
    """
    order = _order(launch)
    if sys.platform != "linux":
        raise ConfigurationError(
            f"workers need Linux (pidfds, subreapers, /proc) and this is {sys.platform}: run them in a container or a "
            "virtual machine; submitting and waiting work here"
        )
    # Imported here: `rrqmp run --help` and every misspelt option should answer at once.
    from rrqmp.supervisor.serve import serve

    return serve(settings_inputs(options), order)


def main(arguments: Sequence[str] | None = None) -> None:
    """The other door: `python -m rrqmp.supervisor`."""
    call = lambda: command.main(args=arguments, prog_name="python -m rrqmp.supervisor", standalone_mode=False)  # noqa: E731
    sys.exit(exit_code_of(call))


def _order(launch: str | None) -> Launch | None:
    if launch is None:
        return None
    try:
        return decode_launch(launch)
    except msgspec.DecodeError as error:
        raise click.UsageError(f"--launch is not for people: engine.start() gives it ({error})") from error
