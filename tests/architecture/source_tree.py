"""The source as these tests see it: files, the room each stands in, and every import, also those inside functions."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "rrqmp"


@dataclass(frozen=True)
class Import:
    """One imported module; `late` ones run inside a function, `typing_only` ones never run."""

    importer: str
    target: str
    line: int
    late: bool
    typing_only: bool

    def __str__(self) -> str:
        return f"{self.importer}:{self.line} imports {self.target}"


@cache
def modules() -> dict[str, Path]:
    """Every module of the package by its dotted name."""
    return {_dotted(path): path for path in sorted(PACKAGE.rglob("*.py"))}


@cache
def tree(path: Path) -> ast.Module:
    """The parsed file."""
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def room(module: str) -> str:
    """The folder, or single file, right under the package: `store`, `engine`; the package itself is `__init__`."""
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else "__init__"


def imports(module: str) -> Iterator[Import]:
    """All that a module imports, with `from package import submodule` resolved to the submodule."""
    yield from _imports(module, tree(modules()[module]), late=False, typing_only=False)


def tracked_files() -> list[Path]:
    """Every text file of the project that is its own; what tools made is left out."""
    skipped = {".git", ".venv", ".tox", ".mypy_cache", ".ruff_cache", ".pytest_cache", ".hypothesis", "__pycache__"}
    return [
        path
        for path in sorted(ROOT.rglob("*"))
        if path.is_file() and not skipped & set(path.relative_to(ROOT).parts) and "egg-info" not in str(path)
    ]


def _dotted(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _imports(module: str, node: ast.AST, *, late: bool, typing_only: bool) -> Iterator[Import]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            for name in child.names:
                yield Import(module, name.name, child.lineno, late, typing_only)
        elif isinstance(child, ast.ImportFrom):
            for name in child.names:
                full = f"{child.module}.{name.name}"
                target = full if full in modules() else str(child.module)
                yield Import(module, target, child.lineno, late, typing_only)
        elif isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            for inner in child.body:
                yield from _imports(module, ast.Module([inner], []), late=late, typing_only=True)
        else:
            inside = late or isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
            yield from _imports(module, child, late=inside, typing_only=typing_only)
