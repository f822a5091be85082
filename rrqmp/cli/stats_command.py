"""`rrqmp stats`: how many activities each queue holds: by status, by priority and by type."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final, TypeAlias

import click

from rrqmp.cli.printing import print_json, print_table
from rrqmp.cli.queue_options import open_pool, queue_options, read_settings
from rrqmp.model.gates import QueueGates
from rrqmp.model.priority import ActivityPriority
from rrqmp.model.stats import QueueStats
from rrqmp.store.calls.gates import gates
from rrqmp.store.calls.stats import stats
from rrqmp.store.keys import QueueKeys

_STATES: Final = ("pending", "running", "scheduled", "completed", "failed", "cancelled", "dead_letter")
_Found: TypeAlias = Mapping[str, tuple[QueueStats, QueueGates]]


@click.command("stats")
@queue_options()
@click.option("--json", "as_json", is_flag=True, help="one JSON object on stdout, a key a queue")
def command(as_json: bool, **options: Any) -> None:
    """Prints the counts of each queue: by status, what waits also by priority and by type."""
    settings = read_settings(options)
    with open_pool(settings) as pool:
        every = {queue: QueueKeys(queue, settings.prefix) for queue in settings.queues}
        found = {queue: (pool.run(stats(keys)), pool.run(gates(keys))) for queue, keys in every.items()}
    if as_json:
        print_json({queue: _plain(*counts) for queue, counts in found.items()})
    else:
        _print(found)


def _plain(counts: QueueStats, closed: QueueGates) -> dict[str, Any]:
    plain: dict[str, Any] = {f"{name}_count": getattr(counts, f"{name}_count") for name in _STATES}
    plain["by_priority"] = {priority.name.lower(): number for priority, number in counts.by_priority.items()}
    plain["by_type"] = dict(counts.by_type)
    plain["running_by_type"] = dict(closed.running)
    plain["is_paused"] = closed.is_paused
    plain["paused_types"] = sorted(closed.paused_types)
    plain["limits"] = dict(closed.limits)
    return plain


def _print(found: _Found) -> None:
    titles = [name.removesuffix("_letter") for name in _STATES]
    rows = (
        [f"{queue} (paused)" if closed.is_paused else queue, *(getattr(counts, f"{name}_count") for name in _STATES)]
        for queue, (counts, closed) in found.items()
    )
    print_table(("queue", *titles), rows)
    levels = sorted(ActivityPriority, reverse=True)
    waiting = [
        [queue, *(counts.by_priority.get(level, 0) for level in levels)]
        for queue, (counts, _) in found.items()
        if counts.pending_count
    ]
    if waiting:
        click.echo()
        print_table(("pending in", *(level.name.lower() for level in levels)), waiting)
    types = [row for queue, (counts, closed) in found.items() for row in _types(queue, counts, closed)]
    if types:
        click.echo()
        print_table(("queue", "type", "pending", "running", "limit", "gate"), types)


def _types(queue: str, counts: QueueStats, closed: QueueGates) -> Iterator[list[object]]:
    named = {name for name, number in counts.by_type.items() if number}
    for name in sorted(named | closed.running.keys() | closed.limits.keys() | closed.paused_types):
        numbers = (counts.by_type.get(name, 0), closed.running.get(name, 0), closed.limits.get(name))
        yield [queue, name, *numbers, "paused" if closed.is_paused or name in closed.paused_types else None]
