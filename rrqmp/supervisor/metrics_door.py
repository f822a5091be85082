"""The HTTP door for scrapers and health checks: a few fixed pages, and bounds on everything a stranger may do.

It lives in the loop that kills at deadlines: no threads, no looking up of names, little work in any one turn.
"""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from rrqmp.errors import ConfigurationError
from rrqmp.supervisor.log import LOGGER

_HEAD_MOST: Final = 8192
_REQUEST_SECONDS: Final = 2.0
_REPLY_SECONDS: Final = 5.0
# One more, and the oldest is cut off: whoever keeps connections open keeps nobody out.
_CONNECTIONS_MOST: Final = 32
# How many a turn of the loop accepts.
_BACKLOG: Final = 16
_TEXT: Final = "text/plain; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer."""

    body: bytes
    status: str = "200 OK"
    content_type: str = _TEXT

    def encode(self, *, with_body: bool) -> bytes:
        """As it goes over the wire; the connection ends with it."""
        head = (
            f"HTTP/1.1 {self.status}\r\nContent-Type: {self.content_type}\r\nContent-Length: {len(self.body)}\r\n"
            "Connection: close\r\n\r\n"
        )
        return head.encode() + (self.body if with_body else b"")


Pages = dict[str, Callable[[], Awaitable[Reply]]]
_NOT_FOUND: Final = Reply(b"try /metrics, /healthz or /readyz\n", "404 Not Found")
_NOT_ALLOWED: Final = Reply(b"only GET and HEAD\n", "405 Method Not Allowed")
_FAILED: Final = Reply(b"the page could not be made; the supervisor's log says why\n", "500 Internal Server Error")


class MetricsDoor:
    """`open` takes the address, `serve` answers. Both addresses and answers are those of one supervisor."""

    def __init__(self, address: str) -> None:
        host, _, port = address.rpartition(":")
        self._host, self._port = host.strip("[]"), int(port)
        self._socket: socket.socket | None = None
        self._server: asyncio.Server | None = None
        # In the order of their coming.
        self._open: dict[asyncio.StreamWriter, None] = {}
        self._pages: Pages = {}

    def open(self) -> None:
        """Takes the address. Raises `ConfigurationError` if that cannot be had."""
        family = socket.AF_INET6 if ":" in self._host else socket.AF_INET
        door = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
        try:
            # A restart must not wait for the last one's connections to be forgotten; a second listener still fails.
            door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            door.bind((self._host, self._port))
            door.listen(_BACKLOG)
        except OSError as error:
            door.close()
            reason = "is in use" if error.errno == errno.EADDRINUSE else f"cannot be had: {error.strerror}"
            raise ConfigurationError(
                f"metrics_address {self.address} {reason}; give another with --metrics-address, or off"
            ) from None
        self._socket, self._port = door, door.getsockname()[1]

    @property
    def address(self) -> str:
        """Host and port; of port 0 the one that was found."""
        return f"[{self._host}]:{self._port}" if ":" in self._host else f"{self._host}:{self._port}"

    async def serve(self, pages: Pages) -> None:
        """Begins to answer."""
        self._pages = pages
        self._server = await asyncio.start_server(self._answer, sock=self._socket, limit=_HEAD_MOST, backlog=_BACKLOG)

    async def close(self) -> None:
        """Gives the address up and cuts off who is still there; may be called twice."""
        if self._server is not None:
            self._server.close()
        for writer in list(self._open):
            writer.transport.abort()
        if self._socket is not None:
            self._socket.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open[writer] = None
        if len(self._open) > _CONNECTIONS_MOST:
            oldest = next(iter(self._open))
            del self._open[oldest]
            oldest.transport.abort()
        try:
            async with asyncio.timeout(_REQUEST_SECONDS):
                head = await reader.readuntil(b"\r\n\r\n")
            reply = await self._reply(head)
            async with asyncio.timeout(_REPLY_SECONDS):
                writer.write(reply)
                writer.close()
                await writer.wait_closed()
        except (TimeoutError, OSError, EOFError, asyncio.LimitOverrunError):
            # Slow, gone, or no HTTP at all: nothing that anybody here would want to read of.
            pass
        finally:
            self._open.pop(writer, None)
            writer.transport.abort()

    async def _reply(self, head: bytes) -> bytes:
        method, _, rest = head.partition(b" ")
        path = rest.partition(b" ")[0].partition(b"?")[0].decode("ascii", "replace")
        if method not in (b"GET", b"HEAD"):
            return _NOT_ALLOWED.encode(with_body=True)
        page = self._pages.get(path)
        try:
            reply = _NOT_FOUND if page is None else await page()
        except Exception:  # noqa: BLE001 - who asks must not end the supervisor
            LOGGER.exception("the page %s could not be made", path)
            reply = _FAILED
        return reply.encode(with_body=method == b"GET")
