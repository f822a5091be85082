"""`rrqmp limit`: how many activities of a type may run at once."""

from __future__ import annotations

from typing import Any

import click

from rrqmp.cli.gate_options import print_gates
from rrqmp.cli.queue_options import open_queue, queue_options


@click.command("limit")
@click.argument("activity_type", metavar="TYPE")
@click.argument("most", metavar="N|none")
@queue_options()
@click.option("--json", "as_json", is_flag=True, help="what is paused and limited, as one JSON object on stdout")
def command(activity_type: str, most: str, as_json: bool, **options: Any) -> None:
    """Lets at most N activities of TYPE run at once on all nodes together; none takes the limit away."""
    if most != "none" and not most.isdecimal():
        raise click.UsageError(f"{most!r} is no limit: give a number, or none")
    with open_queue(options) as queue:
        queue.limit(activity_type, None if most == "none" else int(most))
        print_gates(queue, as_json=as_json)
