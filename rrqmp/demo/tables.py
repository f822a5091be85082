"""The demo's two tables: what was measured, and what became of the handlers that misbehaved. 80 columns are enough."""

from __future__ import annotations

import linecache
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from rrqmp.demo import application
from rrqmp.demo.application import Measures
from rrqmp.model.attempt import Attempt

ROWS: Final = 5
# All columns of the casualties but the last, with the gaps.
_FIXED_WIDTH: Final = 57
_FILE: Final = re.escape(Path(application.__file__).name)
_FRAME: Final = re.compile(rf'demo/{_FILE}", line (\d+) in')
_PLACE: Final = re.compile(rf"{_FILE}:(\d+) ")


def print_modules(console: Console, measured: Mapping[str, Measures]) -> None:
    """The largest modules, then the most complex of the rest.

    `longest` is the longest function's lines, `ways` the module's cyclomatic complexity, `worst` that of one function.
    """
    table = _table("The largest modules, and the most complex of the rest")
    table.add_column("module", no_wrap=True)
    for title in ("lines", "defs", "classes", "longest", "ways", "worst"):
        table.add_column(title, justify="right", min_width=len(title))
    largest = sorted(measured, key=lambda name: -measured[name].lines)[:ROWS]
    rest = [name for name in measured if name not in largest]
    hardest = sorted(rest, key=lambda name: -measured[name].complexity)[:ROWS]
    for names in (largest, hardest):
        for name in names:
            found = measured[name]
            counts = (found.lines, found.functions, found.classes)
            ways = (found.longest_lines, found.complexity, found.hardest_complexity)
            table.add_row(name, *map(str, counts + ways), end_section=name == names[-1])
    console.print(table)
    _print_records(console, measured)


def print_casualties(console: Console, casualties: Mapping[str, Sequence[Attempt]]) -> None:
    """Each handler that misbehaved: how its last attempt ended, how many there were, the line it never left."""
    table = _table("Four handlers misbehaved: each cost its own attempts, nothing else")
    for title, width in (("handler", 14), ("ended", 9), ("by", 11)):
        table.add_column(title, no_wrap=True, min_width=width)
    table.add_column("runs", justify="right", no_wrap=True, min_width=4)
    table.add_column("after", justify="right", no_wrap=True, min_width=7)
    table.add_column("stuck in line", no_wrap=True)
    # The library would take a column's last letters from all columns, not from the last one.
    room = max(20, console.width - _FIXED_WIDTH)
    for name, attempts in casualties.items():
        last = attempts[-1]
        table.add_row(
            name, last.kind, _cause(last), str(len(attempts)), _duration(last.run_seconds), _line(last)[:room]
        )
    console.print(table)


def _table(title: str) -> Table:
    return Table(title=title, box=SIMPLE_HEAD, collapse_padding=True, pad_edge=False)


def _print_records(console: Console, measured: Mapping[str, Measures]) -> None:
    if not measured:
        return
    longest = max(measured, key=lambda name: measured[name].longest_lines)
    worst = max(measured, key=lambda name: measured[name].hardest_complexity)
    console.print(
        f"longest function: {measured[longest].longest} in {longest}, {measured[longest].longest_lines} lines"
    )
    console.print(
        f"most complex function: {measured[worst].hardest} in {worst}, "
        f"{measured[worst].hardest_complexity} ways through"
    )
    console.print()


def _cause(attempt: Attempt) -> str:
    if attempt.signal:
        return attempt.signal
    return f"exit code {attempt.exit_code}" if attempt.exit_code is not None else "-"


def _duration(seconds: float | None) -> str:
    if seconds is None:
        return "-"
    return f"{seconds:.2f} s" if seconds >= 0.1 else f"{seconds * 1000:.1f} ms"


def _line(attempt: Attempt) -> str:
    """The number and the text of the line of the demo's own application, where the report knows it."""
    # The stack goes before `where`: in an installed package our own frames look like a library's.
    found = _FRAME.search(attempt.stack) or _PLACE.match(attempt.where)
    if found is None:
        return attempt.where or "(it left no stack)"
    return f"{found[1]} {linecache.getline(application.__file__, int(found[1])).strip()}"
