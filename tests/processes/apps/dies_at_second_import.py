"""An application that can be imported once and never again."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from notes import App

engine = App()
marker = Path(os.environ["IMPORTED"])


@engine.add
def echo(payload: Any) -> Any:
    return payload


if marker.exists():
    raise RuntimeError("the second import fails")
marker.touch()
