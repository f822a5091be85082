"""How commands print: one JSON text for programs, a table for people."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import click
import msgspec

# Columns of numbers, which stand to the right.
_NUMBERS: Final = frozenset(
    (
        "pending",
        "running",
        "scheduled",
        "completed",
        "failed",
        "cancelled",
        "dead",
        "limit",
        "slot",
        "pid",
        "att",
        "own",
    )
)  # fmt: skip

# There to be copied: they may cost other columns their width.
_WHOLE: Final = frozenset(("id", "due", "ended"))


def print_json(value: object) -> None:
    """One line on stdout."""
    click.echo(msgspec.json.encode(value).decode())


def print_table(columns: Sequence[str], rows: Iterable[Sequence[object]], *, title: str = "") -> None:
    """A table on stdout; `None` is an empty cell."""
    # Imported here: it costs more than the rest of a command, and --json has no use for it.
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    if title:
        click.echo(printable(title))
    table = Table(box=SIMPLE_HEAD, collapse_padding=True, pad_edge=False, show_edge=False)
    for name in columns:
        right = name in _NUMBERS
        table.add_column(name, justify="right" if right else "left", no_wrap=right or name in _WHOLE, overflow="fold")
    for row in rows:
        # No markup: what a stranger wrote into Redis must steer neither the table nor the terminal.
        table.add_row(*(Text("" if cell is None else printable(str(cell))) for cell in row))
    Console().print(table)


def printable(text: str) -> str:
    """The text without what a terminal would take for orders."""
    return "".join(letter if letter.isprintable() or letter == "\t" else "\N{REPLACEMENT CHARACTER}" for letter in text)


def moment(seconds: float | None) -> str | None:
    """A time of day in the reader's own zone, to the second."""
    if seconds is None:
        return None
    return datetime.fromtimestamp(seconds, UTC).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def span(seconds: float | None) -> str | None:
    """A duration in the largest unit that leaves something to see."""
    if seconds is None:
        return None
    for unit, length in (("d", 86400.0), ("h", 3600.0), ("m", 60.0)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f}{unit}"
    return f"{seconds:.1f}s" if seconds < 10 else f"{seconds:.0f}s"


def mebibytes(size: int | None) -> str | None:
    """A size for people."""
    return None if size is None else f"{size / 2**20:.0f}M"


def plain(record: Any) -> dict[str, Any]:
    """A dataclass or struct of the model as what JSON takes."""
    found = msgspec.to_builtins(record)
    assert isinstance(found, dict)
    return found
