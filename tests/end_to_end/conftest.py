"""The installed command, run as a shell would run it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rrqmp.settings.table import ENVIRONMENT_PREFIX

ROOT = Path(__file__).resolve().parents[2]
Command = Callable[..., "subprocess.CompletedProcess[str]"]


def clean_environment(**more: str) -> dict[str, str]:
    """This process's environment without settings, and with the package under test first on the path."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ENVIRONMENT_PREFIX)}
    return kept | {"PYTHONPATH": str(ROOT), "COLUMNS": "200", "NO_COLOR": "1"} | more


@pytest.fixture
def rrqmp(tmp_path: Path) -> Command:
    """Runs `rrqmp ...` in an empty folder and returns what it printed."""

    def run(
        *arguments: str, folder: Path = tmp_path, timeout: float = 30, **more: Any
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "rrqmp", *arguments],
            check=False,
            env=clean_environment(),
            capture_output=True,
            text=True,
            cwd=folder,
            timeout=timeout,
            **more,
        )

    return run
