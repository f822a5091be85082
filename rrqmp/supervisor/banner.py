"""The three lines that a supervisor says when it serves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from rrqmp.kernel.cpus import usable_cpus
from rrqmp.settings.table import Settings
from rrqmp.shared_state.messages import Imported
from rrqmp.version import __version__

_TYPES_SHOWN: Final = 4


def banner(
    settings: Settings,
    sources: Mapping[str, str],
    app: str,
    report: Imported,
    server: str,
    seconds: float,
    metrics: str = "",
) -> list[str]:
    """What runs where, on which server, and how to stop it."""
    budget = usable_cpus()
    workers = f"{settings.max_workers} worker{'s' * (settings.max_workers != 1)}"
    if sources.get("max_workers") == "default" and budget.limit:
        workers += f" ({budget.limit} {budget.usable} of {budget.present} CPUs)"
    names = [entry.activity_type for entry in report.types]
    shown = ", ".join(names[:_TYPES_SHOWN]) + (
        f" and {len(names) - _TYPES_SHOWN} more" if len(names) > _TYPES_SHOWN else ""
    )
    handlers = f"{len(names)} handler{'s' * (len(names) != 1)}: {shown}"
    return [
        f"rrqmp {__version__}  queue {','.join(settings.queues)}  {workers}  node {settings.node}",
        f"app     {app}  {handlers}",
        f"redis   {server}",
        *([f"metrics {metrics}"] if metrics else []),
        f"ready in {seconds:.1f} s   Ctrl-C: finish up to {settings.shutdown_timeout:g} s, twice: give back now",
    ]
