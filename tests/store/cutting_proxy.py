"""A proxy that cuts a connection at a chosen moment: before the server has heard the request, or after it has acted."""

from __future__ import annotations

import contextlib
import select
import socket
import threading
from enum import Enum
from pathlib import Path
from types import TracebackType
from typing import Self


class Cut(Enum):
    """When the next request that contains the armed text is cut off."""

    BEFORE = 1
    AFTER = 2


class CuttingProxy:
    """Relays between one unix socket and another until it is armed."""

    def __init__(self, listen: Path, target: Path) -> None:
        self._listen = listen
        self._target = target
        self._armed: list[tuple[bytes, Cut]] = []
        self._server = socket.socket(socket.AF_UNIX)
        self._threads: list[threading.Thread] = []
        self._sockets: list[socket.socket] = []
        self.cuts = 0

    @property
    def url(self) -> str:
        return f"unix://{self._listen}"

    def arm(self, text: bytes, cut: Cut, times: int = 1) -> None:
        self._armed += [(text, cut)] * times

    def __enter__(self) -> Self:
        self._server.bind(str(self._listen))
        self._server.listen()
        self._start(self._accept)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for sock in (self._server, *self._sockets):
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
            sock.close()
        for thread in self._threads:
            thread.join(5)

    def _start(self, target: object, *arguments: object) -> None:
        thread = threading.Thread(target=target, args=arguments, daemon=True)  # type: ignore[arg-type]
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._server.accept()
            except OSError:
                return
            upstream = socket.socket(socket.AF_UNIX)
            upstream.connect(str(self._target))
            self._sockets += [client, upstream]
            self._start(self._relay, client, upstream)

    def _relay(self, client: socket.socket, upstream: socket.socket) -> None:
        # ValueError: close() may close both between a look at their numbers and the wait for them.
        with contextlib.suppress(OSError, ValueError), client, upstream:
            while True:
                readable, _, _ = select.select([client, upstream], [], [])
                for source, sink in ((client, upstream), (upstream, client)):
                    if source not in readable:
                        continue
                    piece = source.recv(1 << 20)
                    cut = self._fate(piece) if source is client else None
                    if not piece or cut is Cut.BEFORE:
                        return
                    sink.sendall(piece)
                    if cut is Cut.AFTER:
                        upstream.recv(1 << 20)
                        return

    def _fate(self, piece: bytes) -> Cut | None:
        if self._armed and self._armed[0][0] in piece:
            self.cuts += 1
            return self._armed.pop(0)[1]
        return None
