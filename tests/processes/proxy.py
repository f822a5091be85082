"""A relay between processes under test and a server, which can hold back what goes either way."""

from __future__ import annotations

import contextlib
import selectors
import socket
import threading
from collections import deque
from pathlib import Path
from types import TracebackType
from typing import Self


class _Pair:
    """One relayed connection."""

    def __init__(self, client: socket.socket, server: socket.socket) -> None:
        self.client = client
        self.server = server
        self.requests: deque[bytes] = deque()
        self.replies: deque[bytes] = deque()
        self.client_ended = False


class Proxy:
    """Relays in a thread. What is held is kept even when the client dies, as the network would."""

    def __init__(self, target: Path, path: Path) -> None:
        self._target = target
        self._path = path
        self._selector = selectors.DefaultSelector()
        self._listener = socket.socket(socket.AF_UNIX)
        self._pairs: list[_Pair] = []
        self._lock = threading.RLock()
        self._hold_requests = False
        self._hold_replies = False
        self._closing = False
        self._thread = threading.Thread(target=self._run, daemon=True)

    @property
    def url(self) -> str:
        """For connections through it."""
        return f"unix://{self._path}"

    def __enter__(self) -> Self:
        self._listener.bind(str(self._path))
        self._listener.listen(64)
        self._selector.register(self._listener, selectors.EVENT_READ, None)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing = True
        self._thread.join()
        for pair in self._pairs:
            pair.client.close()
            pair.server.close()
        self._listener.close()
        self._selector.close()

    @property
    def held_requests(self) -> int:
        """How many pieces wait for `let_go`."""
        with self._lock:
            return sum(len(pair.requests) for pair in self._pairs)

    @property
    def held_replies(self) -> int:
        """How many answers wait for `let_go`."""
        with self._lock:
            return sum(len(pair.replies) for pair in self._pairs)

    def hold_requests(self) -> None:
        """Script calls that are sent from now on do not reach the server."""
        with self._lock:
            self._hold_requests = True

    def hold_replies(self) -> None:
        """Answers that are given from now on do not reach the client."""
        with self._lock:
            self._hold_replies = True

    def let_go(self) -> None:
        """Passes on all that was held, and holds no more."""
        with self._lock:
            self._hold_requests = self._hold_replies = False
            for pair in self._pairs:
                while pair.requests:
                    _send(pair.server, pair.requests.popleft())
                while pair.replies:
                    _send(pair.client, pair.replies.popleft())

    def drop_held(self) -> None:
        """Forgets all that was held, and holds no more."""
        with self._lock:
            self._hold_requests = self._hold_replies = False
            for pair in self._pairs:
                pair.requests.clear()
                pair.replies.clear()

    def _run(self) -> None:
        while not self._closing:
            for key, _ in self._selector.select(0.02):
                with self._lock:
                    if key.data is None:
                        self._accept()
                    else:
                        self._relay(*key.data)

    def _accept(self) -> None:
        client, _ = self._listener.accept()
        server = socket.socket(socket.AF_UNIX)
        server.connect(str(self._target))
        pair = _Pair(client, server)
        self._pairs.append(pair)
        self._selector.register(client, selectors.EVENT_READ, (pair, True))
        self._selector.register(server, selectors.EVENT_READ, (pair, False))

    def _relay(self, pair: _Pair, from_client: bool) -> None:
        source = pair.client if from_client else pair.server
        try:
            piece = source.recv(1 << 20)
        except OSError:
            piece = b""
        if not piece:
            self._selector.unregister(source)
            if not from_client:
                with contextlib.suppress(OSError):
                    pair.client.shutdown(socket.SHUT_RDWR)
            elif not pair.requests:
                with contextlib.suppress(OSError):
                    pair.server.shutdown(socket.SHUT_WR)
            return
        if from_client:
            # A call that follows a held one on its connection must not overtake it.
            if pair.requests or (self._hold_requests and b"EVALSHA" in piece):
                pair.requests.append(piece)
            else:
                _send(pair.server, piece)
        elif pair.replies or self._hold_replies:
            pair.replies.append(piece)
        else:
            _send(pair.client, piece)


def _send(target: socket.socket, piece: bytes) -> None:
    with contextlib.suppress(OSError):
        target.sendall(piece)
