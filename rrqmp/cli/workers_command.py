"""`rrqmp workers`: the nodes of a queue, and what each slot does."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import click
from msgspec import structs

from rrqmp.cli.printing import mebibytes, print_json, print_table, span
from rrqmp.cli.queue_options import open_pool, queue_options, read_settings
from rrqmp.model.node import NodeDescription, NodeView, SlotDescription
from rrqmp.settings import Settings
from rrqmp.store.keys import QueueKeys

_COLUMNS = ("slot", "pid", "state", "activity", "id", "att", "age", "deadline", "own", "progress")


@click.command("workers")
@queue_options()
@click.option("--json", "as_json", is_flag=True, help="a JSON list of nodes on stdout")
def command(as_json: bool, **options: Any) -> None:
    """Shows the nodes that serve the queues, with what each slot did at the node's last heartbeat."""
    views = _views(read_settings(options))
    if as_json:
        print_json([_plain(view) for view in views])
        return
    if not views:
        click.echo("no node serves this; start one with: rrqmp run --app module:engine")
    for place, view in enumerate(views):
        if place:
            click.echo()
        _print(view)


def _views(settings: Settings) -> list[NodeView]:
    from rrqmp.client.operations import workers
    from rrqmp.client.steps import run_steps

    # A node that serves several queues tells each of them the same.
    found: dict[tuple[str, str], NodeView] = {}
    with open_pool(settings) as pool:
        for name in settings.queues:
            for view in run_steps(pool.run, workers(QueueKeys(name, settings.prefix))):
                found.setdefault((view.name, view.boot), view)
    return list(found.values())


def _plain(view: NodeView) -> dict[str, Any]:
    # Every key is there, whatever the stored form leaves out.
    told = view.described
    described = None
    if told is not None:
        described = structs.asdict(told) | {"slots": [structs.asdict(slot) for slot in told.slots]}
    return {"name": view.name, "boot": view.boot, "lease_seconds": view.lease_seconds, "described": described}


def _print(view: NodeView) -> None:
    told = view.described
    if told is None:
        click.echo(f"{view.name}: {_lease(view)}, has told nothing of itself")
        return
    now = time.time()
    print_table(_COLUMNS, (list(_row(slot, now)) for slot in told.slots), title=_title(view, told, now))


def _title(view: NodeView, told: NodeDescription, now: float) -> str:
    busy = sum(bool(slot.activity_id) for slot in told.slots)
    words = [
        f"{view.name}  {', '.join(told.queues)}  pid {told.pid}  up {span(now - told.started_at)}",
        f"{len(told.slots)} slots: {busy} busy",
        *([f"+{told.spares} spare"] if told.spares else []),
        *(["draining"] if told.is_draining else []),
        f"{_lease(view)}, told {span(max(0.0, now - told.told_at))} ago",
    ]
    return "  ".join(words)


def _lease(view: NodeView) -> str:
    if view.lease_seconds is None:
        return "fenced"
    return f"lease {span(view.lease_seconds)}" if view.lease_seconds else "lease over"


def _row(slot: SlotDescription, now: float) -> Iterator[object]:
    yield slot.slot
    yield slot.pid or None
    yield slot.state
    yield slot.activity_type
    yield slot.activity_id
    yield slot.attempt or None
    yield span(max(0.0, now - slot.started_at)) if slot.started_at is not None else None
    yield _deadline(slot, now)
    yield mebibytes(slot.own_bytes)
    yield _progress(slot)


def _deadline(slot: SlotDescription, now: float) -> str | None:
    if slot.deadline_at is None:
        return None
    left = slot.deadline_at - now
    return f"in {span(left)}" if left > 0 else f"{span(-left)} ago"


def _progress(slot: SlotDescription) -> str | None:
    share = f"{slot.progress:.0%}" if slot.progress is not None else ""
    return " ".join(filter(None, (share, slot.progress_text))) or None
