"""The reference is made from the docstrings: it can be built, and no public name is missing or undocumented."""

from __future__ import annotations

import inspect
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

from tests.docs.pages import ROOT

# The modules that users import from; the command of the pages' footnote builds the same.
PUBLIC_MODULES = ("rrqmp", "rrqmp.aio", "rrqmp.testing")
pytestmark = pytest.mark.once


def test_reference_has_every_public_name(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-m", "pdoc", *PUBLIC_MODULES, "-o", str(tmp_path)], check=True, cwd=ROOT)
    missing = [
        f"{module}.{name}"
        for module in PUBLIC_MODULES
        for name in public_names(module)
        if f'id="{name}"' not in page_of(tmp_path, module)
    ]
    assert not missing


@pytest.mark.parametrize("module", PUBLIC_MODULES)
def test_public_names_are_documented(module: str) -> None:
    found = {name: getattr(import_module(module), name) for name in public_names(module)}
    bare = [
        name for name, one in found.items() if (inspect.isclass(one) or inspect.isfunction(one)) and not one.__doc__
    ]
    assert not bare


def public_names(module: str) -> list[str]:
    return [name for name in import_module(module).__all__ if not name.startswith("__")]


def page_of(folder: Path, module: str) -> str:
    return (folder / f"{module.replace('.', '/')}.html").read_text(encoding="utf-8")
