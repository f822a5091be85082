"""`rrqmp pause`: nothing of a type, or of a queue, is claimed any more."""

from __future__ import annotations

from typing import Any

import click

from rrqmp.cli.gate_options import print_gates
from rrqmp.cli.queue_options import open_queue, queue_options


@click.command("pause")
@click.argument("activity_type", metavar="[TYPE]", default=None, required=False)
@queue_options()
@click.option("--json", "as_json", is_flag=True, help="what is paused and limited, as one JSON object on stdout")
def command(activity_type: str | None, as_json: bool, **options: Any) -> None:
    """Stops claims of TYPE, or of the whole queue, on all nodes. What runs goes on, what is submitted waits."""
    with open_queue(options) as queue:
        queue.pause(activity_type)
        print_gates(queue, as_json=as_json)
