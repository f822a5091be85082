"""What the demo's handler says of a piece of source."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from rrqmp.demo.application import Function, complexity, length, measure, measure_text
from rrqmp.demo.library import library_files, library_folder


def function(source: str) -> Function:
    (found,) = ast.parse(source).body
    assert isinstance(found, ast.FunctionDef | ast.AsyncFunctionDef)
    return found


@pytest.mark.parametrize(
    ("body", "ways"),
    [
        ("pass", 1),
        ("if a: pass", 2),
        ("if a: pass\n elif b: pass\n else: pass", 3),
        ("return a and b or c", 3),
        ("return 1 if a else 2", 2),
        ("for x in y: pass\n else: pass", 2),
        ("while a: pass", 2),
        ("try: pass\n except A: pass\n except B: pass", 3),
        ("return [x for x in y if x if z]", 4),
        ("assert a", 2),
        ("match a:\n  case 1: pass\n  case _: pass", 3),
    ],
)
def test_complexity_counts_the_ways_through_a_function(body: str, ways: int) -> None:
    assert complexity(function(f"def f():\n {body}")) == ways


def test_inner_function_counts_for_itself() -> None:
    outer = function("def f():\n def g():\n  if a: pass\n return g")
    assert complexity(outer) == 1
    assert length(outer) == 4


def test_module_is_measured_as_a_whole() -> None:
    text = b"class A:\n async def long(self):\n  x = 1\n  y = 2\n def hard(self): return a or b\n"
    found = measure_text(text)
    assert (found.lines, found.functions, found.classes, found.complexity) == (5, 2, 1, 3)
    assert (found.longest, found.longest_lines) == ("long", 3)
    assert (found.hardest, found.hardest_complexity) == ("hard", 2)


def test_module_without_functions_has_no_longest_one() -> None:
    found = measure_text(b"class A: pass\n")
    assert (found.classes, found.functions, found.longest) == (1, 0, "")


@pytest.mark.parametrize("text", [b"print 'two'\n", b"# coding: no-such\n", b"\xff\n", b"a\0b"])
def test_file_that_is_no_python_is_told_as_such(text: bytes) -> None:
    assert measure_text(text).fault


def test_escape_that_newer_pythons_warn_of_is_measured_in_silence() -> None:
    assert not measure_text(b"x = '\\d'\n").fault


def test_handler_reads_the_file(tmp_path: Path) -> None:
    from rrqmp.demo.application import Source

    (tmp_path / "a.py").write_text("def f(): pass\n")
    assert measure(Source(str(tmp_path / "a.py"))).functions == 1


def test_library_is_found_without_what_others_installed() -> None:
    files = library_files(library_folder())
    assert len(files) > 500
    assert not [path for path in files if "site-packages" in path.parts]
