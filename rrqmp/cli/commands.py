"""The command group: finds a command's file by its name, and turns the errors that users meet into exit codes."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Final

import click

from rrqmp.errors import ConfigurationError, StoreUnavailable, UnsupportedServer, WorkerError
from rrqmp.shared_state.exit_codes import ExitCode
from rrqmp.version import __version__

# What a shell reports of a program that Ctrl-C ended.
INTERRUPTED: Final = 130
COMMANDS: Final = (
    "run", "demo", "execute", "stats", "list", "show", "cancel", "dead", "pause", "resume", "limit", "workers", "check",
    "runner",
)  # fmt: skip


class LateGroup(click.Group):
    """Imports a command when it is asked for: `rrqmp run` must not pay for what `rrqmp demo` draws with."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All commands, in the order of a first day's use."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of this name, or none."""
        if cmd_name not in COMMANDS:
            return None
        command = import_module(f"rrqmp.cli.{cmd_name}_command").command
        return command if isinstance(command, click.Command) else None


@click.command(cls=LateGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="rrqmp")
def rrqmp() -> None:
    """Runs CPU-bound Python work out of Redis, in worker processes that can be killed."""


def exit_code_of(action: Callable[[], object]) -> int:
    """Runs the action; an error that users can mend is told in one paragraph on stderr, without our own frames."""
    try:
        result = action()
    except click.exceptions.Exit as request:
        return request.exit_code
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        return INTERRUPTED
    except (ConfigurationError, UnsupportedServer) as error:
        return _tell(error, ExitCode.CONFIGURATION)
    except StoreUnavailable as error:
        return _tell(error, ExitCode.REDIS_UNREACHABLE)
    except WorkerError as error:
        return _tell(error, ExitCode.BUG)
    except BrokenPipeError:
        # The reader of our output has gone (`rrqmp show ID | head`): nothing is wrong, and nobody is left to tell.
        sys.stderr.close()
        return ExitCode.BUG
    return result if isinstance(result, int) else ExitCode.STOPPED


def main(arguments: Sequence[str] | None = None) -> None:
    """The `rrqmp` script."""
    sys.exit(exit_code_of(lambda: rrqmp.main(args=arguments, prog_name="rrqmp", standalone_mode=False)))


def _tell(error: WorkerError, code: ExitCode) -> ExitCode:
    click.echo(f"rrqmp: {error}", err=True)
    return code
