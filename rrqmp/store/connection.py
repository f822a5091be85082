"""One blocking connection of one process, with our own resends."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from functools import partial
from types import TracebackType
from typing import Any, Self, TypeVar

from redis import exceptions
from redis.connection import Connection, SSLConnection, UnixDomainSocketConnection
from redis.retry import Retry

from rrqmp.store.faults import Remedy, pauses, remedy_for, translate
from rrqmp.store.link import link_arguments, pack
from rrqmp.store.script import Argument, Call
from rrqmp.store.url import RedisAddress, parse_url

R = TypeVar("R")
_log = logging.getLogger("rrqmp.store")


class BlockingConnection:
    """Runs script calls over one socket. No I/O before `open()` or the first call; nothing of it survives a fork.

    A call whose answer is lost goes out again with the same arguments, which every script takes as a repeat: without
    end if the call says so, else for `resend_seconds`. One thread at a time.
    """

    def __init__(
        self,
        url: str,
        *,
        name: str = "rrqmp",
        connect_timeout: float = 5.0,
        read_timeout: float = 10.0,
        resend_seconds: float = 30.0,
    ) -> None:
        self.address = parse_url(url)
        self._resend_seconds = resend_seconds
        # For another thread or process, which must have one of its own.
        self.another = partial(
            type(self),
            url,
            name=name,
            connect_timeout=connect_timeout,
            read_timeout=read_timeout,
            resend_seconds=resend_seconds,
        )
        self._link = make_link(self.address, name, connect_timeout, read_timeout)
        self._popping = False
        self._following = b""

    def open(self) -> Self:
        """Connects and enters; raises `StoreUnavailable` or `StoreError`."""
        try:
            self._link.connect()
        except (exceptions.RedisError, OSError) as error:
            raise translate(error, self.address) from error
        return self

    def close(self) -> None:
        """Closes the socket; the next call would open it again."""
        self._popping = False
        self._link.disconnect()

    def __enter__(self) -> Self:
        return self.open()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def run(self, call: Call[R]) -> R:
        """Runs the call and reads its reply; raises `StoreUnavailable`, `StoreError` or `QueueFull`."""
        try:
            return call.read(self._evaluate(call))
        except (exceptions.RedisError, OSError) as error:
            return call.read(self._repeat(lambda: self._evaluate(call), error, call=call))

    def command(self, *words: Argument) -> Any:
        """Runs a plain command, which must bear being sent twice; the reply comes as the parser leaves it."""
        try:
            return self._exchange(words)
        except (exceptions.RedisError, OSError) as error:
            return self._repeat(lambda: self._exchange(words), error)

    def fileno(self) -> int:
        """The socket, for `poll`; -1 while there is none."""
        sock = self._link._sock
        return -1 if sock is None else int(sock.fileno())

    def begin_pop(self, keys: Sequence[str], timeout_seconds: float, following: Call[Any] | None = None) -> None:
        """Sends BLPOP and returns; wait for `fileno()`, ask `reply_ready()`, then call `end_pop()`.

        `following` is packed now, while nobody waits for it, to be sent by `follow` in the moment of the wake-up.
        """
        try:
            self._link.send_packed_command((pack(("BLPOP", *keys, timeout_seconds)),), False)
        except (exceptions.RedisError, OSError) as error:
            raise translate(error, self.address) from error
        self._popping = True
        self._following = b"" if following is None else _packed(following)

    def follow(self) -> None:
        """Sends what is to follow the pop before the pop's own reply is read; `end_call` reads the second, after it."""
        try:
            self._link.send_packed_command((self._following,), False)
        except (exceptions.RedisError, OSError):
            # The pop is lost as well, and end_pop says so.
            pass

    def reply_ready(self) -> bool:
        """Whether `end_pop` would not block: also bytes that `poll` does not see, inside TLS or the parser."""
        try:
            return bool(self._link.can_read(0))
        except (exceptions.RedisError, OSError):
            # Closed by the peer: end_pop says so.
            return True

    def end_pop(self) -> str | None:
        """The key that a token was taken from, or None after the timeout; raises `StoreUnavailable` on a loss."""
        self._popping = False
        try:
            reply = self._link.read_response()
        except (exceptions.RedisError, OSError) as error:
            self._link.disconnect()
            raise translate(error, self.address) from error
        return None if reply is None else str(reply[0], "utf-8")

    def end_call(self, call: Call[R]) -> R:
        """Reads the reply to the call that followed a pop, after `end_pop`; sends it again as `run` does."""
        try:
            return call.read(self._link.read_response())
        except (exceptions.RedisError, OSError) as error:
            return call.read(self._repeat(lambda: self._evaluate(call), error, call=call))

    def _evaluate(self, call: Call[Any]) -> Any:
        link = self._link
        link.send_packed_command((_packed(call),), False)
        return link.read_response()

    def _exchange(self, words: Sequence[Argument]) -> Any:
        self._link.send_packed_command((pack(tuple(words)),), False)
        return self._link.read_response()

    def _repeat(self, send: Callable[[], Any], error: Exception, *, call: Call[Any] | None = None) -> Any:
        if self._popping:
            raise RuntimeError("a call was made while a BLPOP was under way on the same connection") from error
        began = time.monotonic()
        deadline = None if call is not None and call.endless else began + self._resend_seconds
        told = False
        for pause in pauses():
            remedy = remedy_for(error)
            if remedy is Remedy.GIVE_UP and not (
                deadline is None and isinstance(error, exceptions.AuthenticationError)
            ):
                raise translate(error, self.address) from error
            if remedy is not Remedy.LOAD_SCRIPT:
                if deadline is not None and time.monotonic() + pause > deadline:
                    raise translate(error, self.address) from error
                if remedy is not Remedy.WAIT:
                    self._link.disconnect()
                if pause and not told:
                    _log.warning("Redis at %s is away (%s); sending again until it answers", self.address, error)
                    told = True
                time.sleep(pause)
            try:
                if remedy is Remedy.LOAD_SCRIPT and call is not None:
                    self._exchange(("SCRIPT", "LOAD", call.script.source))
                reply = send()
            except (exceptions.RedisError, OSError) as again:
                error = again
                continue
            if told:
                _log.warning("Redis at %s is back after %.1f s", self.address, time.monotonic() - began)
            return reply
        raise AssertionError("pauses() has no end")


def _packed(call: Call[Any]) -> bytes:
    # Here and not by the library: its own packing costs more than the rest of a call on our side.
    return pack(("EVALSHA", call.script.sha, len(call.keys), *call.keys, *call.arguments))


def make_link(address: RedisAddress, name: str, connect_timeout: float, read_timeout: float | None) -> Any:
    """A connection of the library's to this address. `Any`: its own types differ from release to release."""
    kind: Any = UnixDomainSocketConnection if address.path else SSLConnection if address.tls else Connection
    return kind(**link_arguments(address, kind, Retry, name, connect_timeout, read_timeout))
