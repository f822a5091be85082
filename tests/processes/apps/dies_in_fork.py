"""An application with a fork hook that ends every child: no worker ever comes up."""

from __future__ import annotations

import os
import time
from typing import Any

from notes import App, write_line

engine = App()


@engine.add
def echo(payload: Any) -> Any:
    return payload


def die() -> None:
    write_line(os.environ["DEATHS"], f"{time.monotonic_ns()}\n")
    os._exit(9)


os.register_at_fork(after_in_child=die)
