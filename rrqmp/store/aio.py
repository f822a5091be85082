"""The asynchronous store: for the supervisor's loop, which must never wait long, and for the asyncio client."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import Any, TypeVar

from redis import exceptions

from rrqmp.errors import StoreUnavailable
from rrqmp.store.aio_links import AsyncLinks
from rrqmp.store.faults import Remedy, pauses, remedy_for, translate
from rrqmp.store.link import pack
from rrqmp.store.pool import PoolLimits
from rrqmp.store.script import Argument, Call
from rrqmp.store.url import parse_url

R = TypeVar("R")
_log = logging.getLogger("rrqmp.store")


class AsyncStore:
    """Runs the same calls as `BlockingConnection`, over a few connections that open when they are first needed.

    Resends as it does; nothing is held while a call waits for its next attempt, so a task may be cancelled at any time.
    With `limits`, they and their ages are bounded as in `ConnectionPool`. Belongs to the loop of its first call.
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
        limits: PoolLimits | None = None,
    ) -> None:
        self.address = parse_url(url)
        self._read_timeout = read_timeout
        self._resend_seconds = resend_seconds
        patience = limits.conn_timeout if limits else None
        if limits is None:
            limits = PoolLimits(
                max_size=max_connections, conn_timeout=connect_timeout, idle_timeout=None, max_lifetime=None
            )
        self._connect_timeout = limits.conn_timeout
        self._links = AsyncLinks(self.address, name, limits, patience=patience)
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
        await self._links.close()

    async def _send(self, words: tuple[Argument, ...], call: Call[Any] | None) -> Any:
        packed = pack(words)
        deadline = None if call is not None and call.endless else time.monotonic() + self._resend_seconds
        attempts = pauses()
        next(attempts)
        while True:
            try:
                reply = await self._exchange(packed)
            except StoreUnavailable:
                # Our own connections are all in use: nothing that another attempt would mend.
                raise
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
        async with self._links.lent() as link:
            bound = self._read_timeout if link.is_connected else max(self._read_timeout, self._connect_timeout)
            try:
                # A bound of our own: the library's is wait_for, which in 3.11 swallows a cancellation that comes in the
                # same turn as the end of the send, and whoever cancelled then waits for ever.
                async with asyncio.timeout(bound):
                    await link.send_packed_command((packed,), False)
                    return await link.read_response()
            except TimeoutError:
                raise exceptions.TimeoutError(f"no answer within {bound:g} s") from None

    def _tell(self, *, away: bool, error: Exception | None = None) -> None:
        if away == self._away:
            return
        self._away = away
        if away:
            _log.warning("Redis at %s is away (%s); sending again until it answers", self.address, error)
        else:
            _log.warning("Redis at %s is back", self.address)
