"""The asynchronous store, for a loop that must never wait long: the supervisor's."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import Any, TypeVar

from redis import exceptions
from redis.asyncio.connection import Connection, SSLConnection, UnixDomainSocketConnection
from redis.asyncio.retry import Retry

from rrqmp.store.faults import Remedy, pauses, remedy_for, translate
from rrqmp.store.link import link_arguments, pack
from rrqmp.store.script import Argument, Call
from rrqmp.store.url import RedisAddress, parse_url

R = TypeVar("R")
_log = logging.getLogger("rrqmp.store")


class AsyncStore:
    """Runs the same calls as `BlockingConnection`, over a few connections that open when they are first needed.

    Resends as it does; nothing is held while a call waits for its next attempt, so a task may be cancelled at any time.
    """

    def __init__(
        self,
        url: str,
        *,
        name: str = "rrqmp",
        connect_timeout: float = 1.0,
        read_timeout: float = 2.0,
        resend_seconds: float = 3.0,
        max_connections: int = 4,
    ) -> None:
        self.address = parse_url(url)
        self._name = name
        self._connect_timeout = connect_timeout
        self._read_timeout = read_timeout
        self._resend_seconds = resend_seconds
        self._idle: list[Any] = []
        self._places = asyncio.Semaphore(max_connections)
        self._away = False

    async def run(self, call: Call[R]) -> R:
        """Runs the call and reads its reply; raises as `BlockingConnection.run`."""
        keys = call.keys
        words = ("EVALSHA", call.script.sha, len(keys), *keys, *call.arguments)
        return call.read(await self._send(words, call))

    async def command(self, *words: Argument) -> Any:
        """Runs a plain command, which must bear being sent twice."""
        return await self._send(words, None)

    async def close(self) -> None:
        """Closes what is idle; to be called when nothing is under way."""
        while self._idle:
            await self._idle.pop().disconnect(nowait=True)

    async def _send(self, words: tuple[Argument, ...], call: Call[Any] | None) -> Any:
        packed = pack(words)
        deadline = None if call is not None and call.endless else time.monotonic() + self._resend_seconds
        attempts = pauses()
        next(attempts)
        while True:
            try:
                reply = await self._exchange(packed)
            except (exceptions.RedisError, OSError) as error:
                remedy = remedy_for(error)
                if remedy is Remedy.LOAD_SCRIPT and call is not None:
                    await self._load(call)
                    continue
                pause = next(attempts)
                if remedy is Remedy.GIVE_UP or (deadline is not None and time.monotonic() + pause > deadline):
                    raise translate(error, self.address) from error
                self._tell(away=True, error=error)
                await asyncio.sleep(pause)
            else:
                self._tell(away=False)
                return reply

    async def _load(self, call: Call[Any]) -> None:
        try:
            await self._exchange(pack(("SCRIPT", "LOAD", call.script.source)))
        except (exceptions.RedisError, OSError) as error:
            if remedy_for(error) is Remedy.GIVE_UP:
                raise translate(error, self.address) from error

    async def _exchange(self, packed: bytes) -> Any:
        async with self._places:
            link = self._idle.pop() if self._idle else self._make_link()
            try:
                # A bound of our own: the library's is wait_for, which in 3.11 swallows a cancellation that comes in the
                # same turn as the end of the send, and whoever cancelled then waits for ever.
                async with asyncio.timeout(self._read_timeout):
                    await link.send_packed_command((packed,), False)
                    reply = await link.read_response()
            except TimeoutError:
                await link.disconnect(nowait=True)
                raise exceptions.TimeoutError(f"no answer within {self._read_timeout:g} s") from None
            except exceptions.ResponseError:
                self._idle.append(link)
                raise
            except BaseException:
                # Also when the task is cancelled: an answer under way must not meet the next call.
                await link.disconnect(nowait=True)
                raise
            self._idle.append(link)
            return reply

    def _make_link(self) -> Any:
        return make_async_link(self.address, self._name, self._connect_timeout, None)

    def _tell(self, *, away: bool, error: Exception | None = None) -> None:
        if away == self._away:
            return
        self._away = away
        if away:
            _log.warning("Redis at %s is away (%s); sending again until it answers", self.address, error)
        else:
            _log.warning("Redis at %s is back", self.address)


def make_async_link(address: RedisAddress, name: str, connect_timeout: float, read_timeout: float | None) -> Any:
    """An asynchronous connection of the library's. `Any`: its own types differ from release to release."""
    kind: Any = UnixDomainSocketConnection if address.path else SSLConnection if address.tls else Connection
    return kind(**link_arguments(address, kind, Retry, name, connect_timeout, read_timeout))
