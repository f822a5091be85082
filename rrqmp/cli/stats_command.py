"""`rrqmp stats`: how many activities each queue holds, and where."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import click

from rrqmp.cli.queue_options import open_pool, queue_options, read_settings
from rrqmp.model.stats import QueueStats
from rrqmp.store.calls.stats import stats
from rrqmp.store.keys import QueueKeys


@click.command("stats")
@queue_options()
@click.option("--json", "as_json", is_flag=True, help="one JSON object on stdout, a key a queue")
def command(as_json: bool, **options: Any) -> None:
    """Prints the counts of each queue."""
    settings = read_settings(options)
    with open_pool(settings) as pool:
        found = {queue: pool.run(stats(QueueKeys(queue, settings.prefix))) for queue in settings.queues}
    if as_json:
        click.echo(json.dumps({queue: _plain(counts) for queue, counts in found.items()}))
    else:
        _print(found)


def _plain(counts: QueueStats) -> dict[str, Any]:
    names = ("pending", "running", "scheduled", "completed", "failed", "cancelled", "dead_letter")
    plain: dict[str, Any] = {f"{name}_count": getattr(counts, f"{name}_count") for name in names}
    plain["by_priority"] = {priority.name.lower(): number for priority, number in counts.by_priority.items()}
    plain["by_type"] = dict(counts.by_type)
    return plain


def _print(found: Mapping[str, QueueStats]) -> None:
    # Imported here: it costs more than the rest of the command, and --json has no use for it.
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table

    table = Table(box=SIMPLE_HEAD, collapse_padding=True, pad_edge=False)
    table.add_column("queue")
    for title in ("pending", "running", "scheduled", "completed", "failed", "cancelled", "dead"):
        table.add_column(title, justify="right", min_width=len(title))
    for queue, counts in found.items():
        numbers = [number for name, number in _plain(counts).items() if name.endswith("_count")]
        table.add_row(queue, *map(str, numbers))
    console = Console()
    console.print(table)
    for queue, counts in found.items():
        waiting = ", ".join(f"{name} {number}" for name, number in sorted(counts.by_type.items()) if number)
        if waiting:
            console.print(f"pending in {queue}: {waiting}", highlight=False)
