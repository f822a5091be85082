"""Sizes, names and docstrings of the source."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from source_tree import PACKAGE, ROOT, modules, tree

MOST_LINES_OF_A_FILE = 400
MOST_LINES_OF_A_CLASS = 250
MOST_LINES_OF_A_FUNCTION = 50
BANNED = {"utils", "util", "helpers", "helper", "common", "misc", "base", "core", "manager", "service", "data", "info"}
SOURCES = [
    path
    for folder in ("rrqmp", "tests", "benchmarks", "examples")
    for suffix in ("py", "lua")
    for path in sorted((ROOT / folder).rglob(f"*.{suffix}"))
]
ids = [str(path.relative_to(ROOT)) for path in SOURCES]


@pytest.mark.parametrize("path", SOURCES, ids=ids)
def test_file_stays_short(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= MOST_LINES_OF_A_FILE


@pytest.mark.parametrize("path", SOURCES, ids=ids)
def test_file_is_named_for_the_one_idea_in_it(path: Path) -> None:
    words = set(path.stem.removeprefix("test_").split("_")) | set(path.relative_to(ROOT).parent.parts)
    # `fault_info` would be as empty as `info`: the last word carries the name.
    assert not {path.stem, *path.relative_to(ROOT).parent.parts, path.stem.split("_")[-1]} & BANNED, words


def test_functions_and_classes_stay_short() -> None:
    wrong = []
    for module, path in modules().items():
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                most = MOST_LINES_OF_A_FUNCTION
            elif isinstance(node, ast.ClassDef):
                most = MOST_LINES_OF_A_CLASS
            else:
                continue
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            if lines > most:
                wrong.append(f"{module}.{node.name} has {lines} lines, at most {most}")
    assert not wrong, "\n".join(wrong)


def test_every_module_says_what_it_owns() -> None:
    wrong = [module for module, path in modules().items() if not ast.get_docstring(tree(path))]
    assert not wrong, "\n".join(wrong)


def test_what_is_public_has_a_docstring() -> None:
    definitions = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    wrong = [
        f"{module}.{node.name}"
        for module, path in modules().items()
        for node in tree(path).body
        if isinstance(node, definitions) and not node.name.startswith("_") and not ast.get_docstring(node)
    ]
    assert not wrong, "\n".join(wrong)


def test_package_is_marked_as_typed() -> None:
    assert (PACKAGE / "py.typed").is_file()
