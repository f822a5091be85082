"""The listening side: frames in, answers out. No user code runs here, and no client can hurt another."""

from __future__ import annotations

import asyncio
import socket
from typing import Final

from rrqmp.runner.address import SocketAddress
from rrqmp.runner.dispatch import Dispatcher
from rrqmp.runner.frames import BadFrame, FrameReader, frame
from rrqmp.runner.messages import (
    PROTOCOL_VERSION,
    TIMEOUT_TYPE,
    OutcomeStatus,
    WireCancel,
    WireRequest,
    decode_message,
    refusal,
)
from rrqmp.runner.ticket import Deadline, Ticket
from rrqmp.supervisor.log import LOGGER

IN_FLIGHT_MOST: Final = 64
# One orchestrator has one connection for requests, and one more for each cancel on its way.
_CONNECTIONS_MOST: Final = 256
# Unread answers beyond this: its requests wait, and no more of them are read.
_UNREAD_BYTES: Final = 1 << 20
# Bodies of requests that wait; a frame more may come on top.
_WAITING_BYTES: Final = 64 << 20
# Frames that are not whole yet, of all connections together.
_HALF_BYTES: Final = 256 << 20
_FAREWELL_SECONDS: Final = 1.0
_BACKLOG: Final = 128


class Connection(asyncio.Protocol):
    """One client. Its end is the end of its requests."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._reader = FrameReader()
        self._transport: asyncio.Transport | None = None
        self._open: dict[int, Ticket] = {}
        self._sizes: dict[int, int] = {}
        self._waiting_bytes = 0
        self._answers: list[bytes] = []
        self._closing = False
        self._reading = True
        self.congested = False
        # Whether it has sent nothing whole yet, and how much it has sent of what is to be its next frame.
        self.silent = True
        self.half_bytes = 0

    # What the loop tells.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client has connected; beyond the most it is let go at once."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.set_write_buffer_limits(high=_UNREAD_BYTES)
        if not self._server.admit(self):
            self._closing = True
            transport.abort()

    def data_received(self, data: bytes) -> None:
        """Takes every frame that is whole; a bad one ends this connection and no other."""
        if self._closing:
            return
        try:
            for body in self._reader.feed(data):
                self._take(body)
                self.silent = False
        except BadFrame as fault:
            LOGGER.warning("a connection is closed: %s", fault)
            self._close()
        if self._reader.kept_bytes != self.half_bytes:
            self._server.half_bytes += self._reader.kept_bytes - self.half_bytes
            self.half_bytes = self._reader.kept_bytes
            self._server.bound_halves()

    def connection_lost(self, exc: Exception | None) -> None:
        """The client has gone."""
        self._closing = True
        self._server.forget(self)
        self._reader = FrameReader()
        tickets, self._open = list(self._open.values()), {}
        self._server.dispatcher.drop(tickets)

    def pause_writing(self) -> None:
        """It does not read its answers: none are made for it until it does."""
        self.congested = True
        self._steer()

    def resume_writing(self) -> None:
        """It reads again."""
        self.congested = False
        self._steer()
        self._server.dispatcher.resume(self._open.values())

    # What the dispatcher tells.

    def answer(self, ticket: Ticket, body: bytes, *, at_once: bool = False) -> None:
        """Sends the answer, if anybody is still there to read it; `at_once`, or with what else this turn answers."""
        if self._open.pop(ticket.number, None) is not None:
            self._waiting_bytes -= self._sizes.pop(ticket.number)
            self._steer()
        self._write(body)
        if at_once:
            self._flush()

    def abort(self) -> None:
        """Ends it at once."""
        self._closing = True
        if self._transport is not None:
            self._transport.abort()

    def _take(self, body: bytes) -> None:
        message = decode_message(body)
        if isinstance(message, WireCancel):
            if message.protocol_version == PROTOCOL_VERSION:
                self._server.dispatcher.cancel(message)
            return
        if message.protocol_version != PROTOCOL_VERSION:
            self._refuse(
                message, refusal(message, f"Unsupported protocol version {message.protocol_version!r}; this is 2")
            )
        elif len(self._open) >= IN_FLIGHT_MOST:
            self._refuse(message, refusal(message, "Runner busy: too many in-flight requests"))
        elif (deadline := Deadline.read(message.context.deadline)) is None:
            words = f"{message.function_name} was not begun: its deadline had passed"
            self._refuse(message, refusal(message, words, TIMEOUT_TYPE, OutcomeStatus.TIMEOUT))
        else:
            self._submit(message, body, deadline)

    def _submit(self, request: WireRequest, body: bytes, deadline: Deadline) -> None:
        ticket = Ticket(self._server.dispatcher.next_number(), self, request, body, deadline)
        self._open[ticket.number] = ticket
        self._sizes[ticket.number] = len(body)
        self._waiting_bytes += len(body)
        self._steer()
        self._server.dispatcher.submit(ticket)

    def _refuse(self, request: WireRequest, body: bytes) -> None:
        self._server.dispatcher.account(request, body)
        self._write(body)

    def _write(self, body: bytes) -> None:
        if not self._answers:
            # What is answered within one turn of the loop goes out by one call: it costs more than all else here.
            asyncio.get_running_loop().call_soon(self._flush)
        self._answers.append(frame(body))

    def _flush(self) -> None:
        answers, self._answers = self._answers, []
        if answers and self._transport is not None and not self._transport.is_closing():
            self._transport.write(b"".join(answers))

    def _steer(self) -> None:
        """Reads on, or does not: whoever sends more than it takes back waits in its own socket."""
        wanted = not self.congested and self._waiting_bytes < _WAITING_BYTES
        if self._transport is None or wanted is self._reading or self._transport.is_closing():
            return
        self._reading = wanted
        if wanted:
            self._transport.resume_reading()
        else:
            self._transport.pause_reading()

    def _close(self) -> None:
        """What has been answered may still go out; a client that does not read it is not waited for."""
        self._closing = True
        self._flush()
        if self._transport is not None:
            self._transport.close()
            asyncio.get_running_loop().call_later(_FAREWELL_SECONDS, self._transport.abort)


class Server:
    """Listens at one address, from `open` to `close`."""

    def __init__(self, address: SocketAddress, dispatcher: Dispatcher) -> None:
        self.address = address
        self.dispatcher = dispatcher
        self._socket: socket.socket | None = None
        self._server: asyncio.Server | None = None
        # In the order in which they came.
        self._connections: dict[Connection, None] = {}
        self.half_bytes = 0

    def bind(self) -> None:
        """Takes the port without listening: a client still finds nobody there. Raises `OSError`."""
        family = socket.AF_INET6 if ":" in self.address.host else socket.AF_INET
        taken = socket.socket(family, socket.SOCK_STREAM)
        try:
            # Else connections of the runner before would keep the port for a minute.
            taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            taken.setblocking(False)
            taken.bind(self.address)
        except OSError:
            taken.close()
            raise
        self._socket = taken

    async def open(self) -> None:
        """Begins to accept: to the orchestrator this says that the runner is ready."""
        assert self._socket is not None
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: Connection(self), sock=self._socket, backlog=_BACKLOG)

    def close(self) -> None:
        """Frees the port and ends every connection; may be called twice."""
        if self._server is not None:
            self._server.close()
            self._server = None
        if self._socket is not None:
            self._socket.close()
            self._socket = None
        for connection in list(self._connections):
            connection.abort()

    def admit(self, connection: Connection) -> bool:
        """Whether there is room for one more; whoever has said nothing makes room for whoever may."""
        if len(self._connections) >= _CONNECTIONS_MOST and not self._let_go_of_a_silent_one():
            LOGGER.warning("a connection is refused: there are %d", len(self._connections))
            return False
        self._connections[connection] = None
        return True

    def forget(self, connection: Connection) -> None:
        """It has ended."""
        if connection in self._connections:
            del self._connections[connection]
            self.half_bytes -= connection.half_bytes
            connection.half_bytes = 0

    def bound_halves(self) -> None:
        """Ends a connection where all that have sent half a frame take too much: a silent one before the others."""
        if self.half_bytes > _HALF_BYTES:
            largest = max(self._connections, key=lambda one: (one.silent, one.half_bytes))
            LOGGER.warning("a connection is closed: half a frame of it, and of others, takes %d bytes", self.half_bytes)
            self._end(largest)

    def _let_go_of_a_silent_one(self) -> bool:
        oldest = next((one for one in self._connections if one.silent), None)
        if oldest is not None:
            self._end(oldest)
        return oldest is not None

    def _end(self, connection: Connection) -> None:
        self.forget(connection)
        connection.abort()
