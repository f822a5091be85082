"""The demo's input: the source of the running interpreter's standard library."""

from __future__ import annotations

import sysconfig
from pathlib import Path

# What others have installed lies under the same folder and is no part of the library.
_FOREIGN = {"site-packages", "dist-packages"}


def library_folder() -> Path:
    """Where the standard library lies."""
    return Path(sysconfig.get_path("stdlib"))


def library_files(folder: Path) -> list[Path]:
    """Every Python source file under the folder, in a fixed order."""
    return sorted(path for path in folder.rglob("*.py") if not _FOREIGN & set(path.relative_to(folder).parts))
