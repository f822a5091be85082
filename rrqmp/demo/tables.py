"""The demo's two tables: what was measured, and what became of the handlers that misbehaved."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.table import Table

from rrqmp.demo.application import Measures
from rrqmp.model.attempt import Attempt

ROWS = 5


def print_modules(console: Console, measured: Mapping[str, Measures]) -> None:
    """The largest modules, then the most complex of the rest."""
    table = Table(title=f"{len(measured)} modules of the standard library: the largest, the most complex")
    table.add_column("module", no_wrap=True)
    for title in ("lines", "functions", "classes", "complexity"):
        table.add_column(title, justify="right")
    table.add_column("longest function")
    table.add_column("hardest function")
    largest = sorted(measured, key=lambda name: -measured[name].lines)[:ROWS]
    rest = [name for name in measured if name not in largest]
    hardest = sorted(rest, key=lambda name: -measured[name].complexity)[:ROWS]
    for names in (largest, hardest):
        for name in names:
            found = measured[name]
            counts = (found.lines, found.functions, found.classes, found.complexity)
            table.add_row(
                name,
                *map(str, counts),
                f"{found.longest} ({found.longest_lines} lines)",
                f"{found.hardest} ({found.hardest_complexity})",
                end_section=name == names[-1],
            )
    console.print(table)


def print_casualties(console: Console, casualties: Mapping[str, Sequence[Attempt]]) -> None:
    """Each handler that misbehaved: its last attempt, and how many there were."""
    table = Table(title="Four handlers misbehaved; each cost what it ran, and nothing else")
    table.add_column("handler", no_wrap=True)
    table.add_column("ended", no_wrap=True)
    table.add_column("by", no_wrap=True)
    table.add_column("attempts", justify="right")
    table.add_column("after", justify="right")
    table.add_column("stuck in")
    for name, attempts in casualties.items():
        last = attempts[-1]
        table.add_row(name, last.kind, _cause(last), str(len(attempts)), _duration(last.run_seconds), _place(last))
    console.print(table)


def _cause(attempt: Attempt) -> str:
    if attempt.signal:
        return attempt.signal
    return f"exit code {attempt.exit_code}" if attempt.exit_code is not None else "-"


def _duration(seconds: float | None) -> str:
    if seconds is None:
        return "-"
    return f"{seconds:.2f} s" if seconds >= 0.1 else f"{seconds * 1000:.1f} ms"


def _place(attempt: Attempt) -> str:
    return attempt.where or "(it left no stack)"
