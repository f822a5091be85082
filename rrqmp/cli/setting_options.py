"""Command-line options made from the table of settings, so that a setting and its flag cannot drift apart."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

from rrqmp.settings import TABLE, SettingsInputs

F = TypeVar("F", bound=Callable[..., Any])


def setting_options(names: Sequence[str] = tuple(TABLE)) -> Callable[[F], F]:
    """Adds `--config` and one option a setting; no value is read here, so that all faults meet in one report."""

    def decorate(command: F) -> F:
        for name in reversed(names):
            setting = TABLE[name]
            if setting.hidden:
                continue
            command = click.option(
                setting.flag,
                name,
                multiple=setting.repeatable,
                default=None,
                metavar="VALUE",
                help=f"{setting.help}  [{setting.variable}; default: {setting.shown_default}]",
            )(command)
        return click.option(
            "--config",
            type=click.Path(path_type=Path),
            default=None,
            metavar="FILE",
            help="TOML file  [RRQMP_CONFIG; default: rrqmp.toml in the current folder, if there is one]",
        )(command)

    return decorate


def settings_inputs(options: Mapping[str, Any]) -> SettingsInputs:
    """The unread inputs out of a command's options; whatever else is in `options` is left alone."""
    # An option that was not used is None, or an empty tuple where it may be repeated. A setting without a flag is none
    # of them: `--key` of a submission is not the deployment's key.
    flagged = {name for name, setting in TABLE.items() if not setting.hidden}
    flags = {name: value for name, value in options.items() if name in flagged and value not in (None, ())}
    return SettingsInputs(flags=flags, config_file=options.get("config"))
