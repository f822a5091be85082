"""The tie to a script or notebook that started this supervisor: told when it serves, and its end is a wish to stop."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from typing import Final

READY_WORD: Final = b"ready\n"


class ParentLink:
    """Over a socket inherited from the parent; its end is the parent's death, whichever thread forked us."""

    def __init__(self, descriptor: int, on_gone: Callable[[], None]) -> None:
        self._descriptor = descriptor
        self._on_gone = on_gone
        os.set_inheritable(descriptor, False)
        os.set_blocking(descriptor, False)

    def watch(self) -> None:
        """Begins to listen; needs the running loop."""
        asyncio.get_running_loop().add_reader(self._descriptor, self._read)

    def say_ready(self) -> None:
        """Tells the parent that activities are being taken."""
        try:
            os.write(self._descriptor, READY_WORD)
        except OSError:
            # Gone; the reader says so.
            pass

    def _read(self) -> None:
        try:
            if os.read(self._descriptor, 64):
                return
        except BlockingIOError:
            return
        except OSError:
            pass
        asyncio.get_running_loop().remove_reader(self._descriptor)
        self._on_gone()
