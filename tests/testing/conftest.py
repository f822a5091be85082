"""The plugin's fixtures over the shop. The plugin itself is loaded by its entry point, as in any project."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def shop(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The application, importable by its workers too."""
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    import shop as application

    yield application
    sys.modules.pop("shop", None)


@pytest.fixture
def rrqmp_engine(shop: Any) -> Any:
    """What a project overrides."""
    return shop.engine
