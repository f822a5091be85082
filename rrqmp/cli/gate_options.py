"""What `pause`, `resume` and `limit` share: they print what is closed when they are done."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from rrqmp.cli.printing import plain, print_json

if TYPE_CHECKING:
    from rrqmp.client.queue import ActivityQueue
    from rrqmp.model.gates import QueueGates


def print_gates(queue: ActivityQueue, *, as_json: bool) -> None:
    """The queue's gates as they are now."""
    gates = queue.gates()
    if as_json:
        print_json(plain(gates) | {"paused_types": sorted(gates.paused_types)})
    else:
        click.echo(f"{queue.name}: {told(gates)}")


def told(gates: QueueGates) -> str:
    """Pauses and limits in one line."""
    parts = ["the whole queue is paused"] if gates.is_paused else []
    if gates.paused_types:
        parts.append(f"paused: {', '.join(sorted(gates.paused_types))}")
    parts += [
        f"{name}: {gates.running.get(name, 0)} run, at most {most}" for name, most in sorted(gates.limits.items())
    ]
    return "; ".join(parts) or "nothing is paused or limited"
