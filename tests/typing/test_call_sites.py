"""Both type checkers infer what users should see, and stop what users should not write."""

from __future__ import annotations

import importlib.util
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CALL_SITES = Path(__file__).with_name("call_sites.py")


def marked_lines() -> set[int]:
    lines = CALL_SITES.read_text().splitlines()
    return {number for number, line in enumerate(lines, 1) if line.endswith("# wrong")}


def told_by_mypy() -> dict[int, str]:
    ran = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--no-error-summary", str(CALL_SITES)],
        capture_output=True, text=True, cwd=ROOT, check=False,
    )  # fmt: skip
    assert not ran.stderr, ran.stderr
    found = re.findall(r"call_sites\.py:(\d+): error: (.*)", ran.stdout)
    return {int(line): message for line, message in found}


def told_by_pyright() -> dict[int, str]:
    ran = subprocess.run(
        [sys.executable, "-m", "pyright", "--outputjson", "--pythonpath", sys.executable, str(CALL_SITES)],
        capture_output=True, text=True, cwd=ROOT, check=False,
    )  # fmt: skip
    found = json.loads(ran.stdout)["generalDiagnostics"]
    return {entry["range"]["start"]["line"] + 1: entry["message"] for entry in found if entry["severity"] == "error"}


def differences(told: dict[int, str]) -> list[str]:
    marked = marked_lines()
    missed = [f"line {line}: nothing was found wrong" for line in sorted(marked - told.keys())]
    return missed + [f"line {line}: {told[line]}" for line in sorted(told.keys() - marked)]


@pytest.mark.timeout(300)
@pytest.mark.skipif(not importlib.util.find_spec("mypy"), reason="mypy is not installed")
def test_mypy_finds_each_marked_error_and_no_other() -> None:
    assert differences(told_by_mypy()) == []


@pytest.mark.timeout(300)
@pytest.mark.skipif(not importlib.util.find_spec("pyright"), reason="pyright is not installed")
def test_pyright_finds_each_marked_error_and_no_other() -> None:
    assert differences(told_by_pyright()) == []
