"""A watch over stuck handlers: they tell it their pid and deadline, it sees the moment of their death by pidfd."""

from __future__ import annotations

import json
import os
import select
import socket
import time
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from rrqmp.kernel.pidfd import open_pidfd

_PATIENCE_SECONDS: Final = 15.0


@dataclass(frozen=True, slots=True)
class Stuck:
    """One handler that runs and will not return. Times are nanoseconds of the monotonic clock."""

    pid: int
    pidfd: int
    began: int
    deadline: int
    attempt: int


class Probe:
    """Handlers send to `address`; one process listens."""

    def __init__(self, folder: Path) -> None:
        self.address = str(folder / "probe")
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)

    def __enter__(self) -> Self:
        self._socket.bind(self.address)
        self._socket.settimeout(_PATIENCE_SECONDS)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._socket.close()
        Path(self.address).unlink()

    def next(self) -> Stuck:
        """Waits for the next handler that gets stuck."""
        words = json.loads(self._socket.recv(1000))
        pidfd = open_pidfd(words["pid"])
        return Stuck(words["pid"], pidfd, words["began"], words["deadline"], words["attempt"])

    def starts(self) -> int:
        """Waits for the next word of a handler; when it was said."""
        began: int = json.loads(self._socket.recv(1000))["began"]
        return began

    def deaths(self, stuck: list[Stuck]) -> list[int]:
        """When each of them died, in their order."""
        poller = select.poll()
        places = {one.pidfd: place for place, one in enumerate(stuck)}
        for one in stuck:
            poller.register(one.pidfd, select.POLLIN)
        died = [0] * len(stuck)
        while places:
            ready = poller.poll(_PATIENCE_SECONDS * 1000)
            now = time.monotonic_ns()
            if not ready:
                raise TimeoutError(f"{len(places)} of {len(stuck)} stuck workers were not killed")
            for pidfd, _ in ready:
                died[places.pop(pidfd)] = now
                poller.unregister(pidfd)
                os.close(pidfd)
        return died
