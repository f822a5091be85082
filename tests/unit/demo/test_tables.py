"""The demo's tables, drawn into text."""

from __future__ import annotations

from io import StringIO
from pathlib import Path

from rich.console import Console

from rrqmp.demo import application
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


def cells(line: str) -> list[str]:
    return [cell for cell in line.split("  ") if cell.strip()]


def test_casualty_shows_kind_cause_time_and_the_line_it_was_stuck_in() -> None:
    target = console()
    lines = Path(application.__file__).read_text().splitlines()
    number = 1 + next(index for index, line in enumerate(lines) if "itertools.repeat(0)" in line)
    where = f"application.py:{number} spin_in_c"
    print_casualties(
        target,
        {
            "spin": [Attempt(kind=AttemptKind.TIMED_OUT, run_seconds=2.003, where=where, signal="SIGRTMAX-3")],
            "leave": [
                Attempt(kind=AttemptKind.CRASHED, exit_code=1, run_seconds=0.0004),
                Attempt(kind=AttemptKind.CRASHED, exit_code=1, run_seconds=0.0005),
            ],
        },
    )
    spin, leave = [line for line in drawn(target).splitlines() if line.split()[:1] in (["spin"], ["leave"])]
    stuck = f"{number} return sum(itertools.repeat(0))"
    assert [cell.strip() for cell in cells(spin)] == ["spin", "timed_out", "SIGRTMAX-3", "1", "2.00 s", stuck]
    assert [cell.strip() for cell in cells(leave)] == [
        "leave", "crashed", "exit code 1", "2", "0.5 ms", "(it left no stack)",
    ]  # fmt: skip


def test_tables_fit_a_terminal_of_80_columns() -> None:
    target = Console(file=StringIO(), width=80, color_system=None)
    name = "test/_test_multiprocessing.py"
    print_modules(target, {name: Measures(15711, 1838, 1623, 10974, "f" * 20, 1124, "g" * 20, 142)})
    assert any(
        line.split() == [name, "15711", "1838", "1623", "1124", "10974", "142"] for line in drawn(target).splitlines()
    )
    lines = Path(application.__file__).read_text().splitlines()
    number = 1 + next(index for index, line in enumerate(lines) if "itertools.repeat(0)" in line)
    where = f"application.py:{number} spin_in_python"
    attempt = Attempt(kind=AttemptKind.TIMED_OUT, run_seconds=2.003, where=where, signal="SIGRTMAX-3")
    print_casualties(target, {"spin_in_python": [attempt]})
    assert f"spin_in_python  timed_out  SIGRTMAX-3      1   2.00 s  {number} return sum(" in drawn(target)
    assert max(map(len, drawn(target).splitlines())) <= 80


def test_line_of_the_application_is_found_below_the_frames_of_a_library() -> None:
    target = console()
    stack = f'File "/x/ctypes/__init__.py", line 519 in string_at\n  File "{application.__file__}", line 1 in crash'
    attempt = Attempt(kind=AttemptKind.CRASHED, signal="SIGSEGV", where="__init__.py:519 string_at", stack=stack)
    print_casualties(target, {"crash": [attempt]})
    assert 'crashed    SIGSEGV         1        -  1 """The demo' in drawn(target)
