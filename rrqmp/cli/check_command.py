"""`rrqmp check`: every setting with its value and its source, or every fault of them in one report."""

from __future__ import annotations

import json
from typing import Any

import click

from rrqmp.cli.setting_options import setting_options, settings_inputs
from rrqmp.settings import TABLE
from rrqmp.settings.resolution import show_value


@click.command("check")
@setting_options()
@click.option("--json", "as_json", is_flag=True, help="one JSON object on stdout")
def command(as_json: bool, **options: Any) -> None:
    """Prints all settings with value and source, and touches nothing else.

    What an application sets itself is not seen here: it is imported only by `rrqmp run`.
    """
    resolved = settings_inputs(options).resolve()
    lines = {name: (show_value(setting, resolved.settings), resolved.sources[name]) for name, setting in TABLE.items()}
    if as_json:
        click.echo(json.dumps({name: {"value": value, "source": source} for name, (value, source) in lines.items()}))
        return
    width = max(map(len, lines))
    shown_width = max(len(value) for value, _ in lines.values())
    for name, (value, source) in lines.items():
        click.echo(f"{name:{width}}  {value:{shown_width}}  {source}")
