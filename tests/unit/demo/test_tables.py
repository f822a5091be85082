"""The demo's tables, drawn into text."""

from __future__ import annotations

from io import StringIO

from rich.console import Console

from rrqmp.demo.application import Measures
from rrqmp.demo.tables import print_casualties, print_modules
from rrqmp.model.attempt import Attempt, AttemptKind


def console() -> Console:
    return Console(file=StringIO(), width=160, color_system=None)


def drawn(target: Console) -> str:
    assert isinstance(target.file, StringIO)
    return target.file.getvalue()


def test_largest_come_first_then_the_most_complex_of_the_rest() -> None:
    target = console()
    measured = {f"big{number}": Measures(lines=1000 - number, complexity=1) for number in range(6)}
    measured |= {f"hard{number}": Measures(lines=10, complexity=100 - number) for number in range(6)}
    print_modules(target, measured)
    shown = [word for line in drawn(target).splitlines() for word in line.split() if word[:-1] in ("big", "hard")]
    assert shown == ["big0", "big1", "big2", "big3", "big4", "hard0", "hard1", "hard2", "hard3", "hard4"]


def test_casualty_shows_kind_cause_time_and_place() -> None:
    target = console()
    print_casualties(
        target,
        {
            "spin": [Attempt(kind=AttemptKind.TIMED_OUT, run_seconds=2.003, where="a.py:7 spin", signal="SIGRTMAX-3")],
            "leave": [
                Attempt(kind=AttemptKind.CRASHED, exit_code=1, run_seconds=0.0004),
                Attempt(kind=AttemptKind.CRASHED, exit_code=1, run_seconds=0.0005),
            ],
        },
    )
    spin, leave = [line for line in drawn(target).splitlines() if "spin" in line or "leave" in line]
    assert [word.strip() for word in spin.split("│")[1:-1]] == [
        "spin", "timed_out", "SIGRTMAX-3", "1", "2.00 s", "a.py:7 spin",
    ]  # fmt: skip
    assert [word.strip() for word in leave.split("│")[1:-1]] == [
        "leave", "crashed", "exit code 1", "2", "0.5 ms", "(it left no stack)",
    ]  # fmt: skip
