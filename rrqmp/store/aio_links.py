"""The connections of one loop: how many, how old, and who has one."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from redis import exceptions
from redis.asyncio.connection import Connection, SSLConnection, UnixDomainSocketConnection
from redis.asyncio.retry import Retry

from rrqmp.errors import StoreUnavailable
from rrqmp.store.link import link_arguments
from rrqmp.store.pool import PoolLimits
from rrqmp.store.url import RedisAddress


@dataclass(slots=True)
class _Member:
    link: Any
    born: float
    used: float


class AsyncLinks:
    """Lends connections, opened when they are first used; ages as in `ConnectionPool`. Belongs to one loop.

    `patience` bounds the wait for a free one, in seconds.
    """

    def __init__(self, address: RedisAddress, name: str, limits: PoolLimits, *, patience: float | None) -> None:
        self._address = address
        self._name = name
        self._limits = limits
        self._patience = patience
        self._idle: list[_Member] = []
        self._is_filled = limits.min_idle == 0
        self._places = asyncio.Semaphore(limits.max_size)
        self._lent = 0

    @asynccontextmanager
    async def lent(self) -> AsyncIterator[Any]:
        """A connection for one exchange; taken back if that ends well, closed if it does not.

        An error that the server answered is a good end: the connection is where it was.
        """
        await self._take_place()
        self._lent += 1
        try:
            member = await self._take()
            try:
                yield member.link
            except exceptions.ResponseError:
                self._take_back(member)
                raise
            except BaseException:
                # Also when the task is cancelled: an answer under way must not meet the next call.
                await member.link.disconnect(nowait=True)
                raise
            self._take_back(member)
            if not self._is_filled or not self._is_fresh(self._idle[0]):
                await self._renew()
        finally:
            self._lent -= 1
            self._places.release()

    async def close(self) -> None:
        """Closes what is idle."""
        while self._idle:
            await self._idle.pop().link.disconnect(nowait=True)

    async def _take_place(self) -> None:
        if not self._places.locked():
            # At once, and without a timer: the usual case.
            await self._places.acquire()
            return
        try:
            async with asyncio.timeout(self._patience):
                await self._places.acquire()
        except TimeoutError:
            raise StoreUnavailable(
                f"No free connection to Redis at {self._address} within {self._patience:g} s: "
                f"{self._limits.max_size} are in use; raise max_size"
            ) from None

    async def _take(self) -> _Member:
        while self._idle:
            member = self._idle.pop()
            if self._is_fresh(member):
                return member
            await self._close_aged(member)
        return self._make()

    def _take_back(self, member: _Member) -> None:
        member.used = time.monotonic()
        self._idle.append(member)

    async def _renew(self) -> None:
        """Closes what is too old, then opens what is missing; one that will not open is left to whoever needs it."""
        while self._idle and not self._is_fresh(self._idle[0]):
            await self._close_aged(self._idle.pop(0))
        self._is_filled = True
        limits = self._limits
        while len(self._idle) < min(limits.min_idle, limits.max_size - self._lent + 1):
            member = self._make()
            try:
                async with asyncio.timeout(limits.conn_timeout):
                    await member.link.connect()
            except (exceptions.RedisError, OSError):
                return
            except BaseException:
                await member.link.disconnect(nowait=True)
                raise
            # At the far end: what has been used goes out first.
            self._idle.insert(0, member)

    async def _close_aged(self, member: _Member) -> None:
        self._is_filled = self._limits.min_idle == 0
        await member.link.disconnect(nowait=True)

    def _is_fresh(self, member: _Member) -> bool:
        return self._limits.is_fresh(member.born, member.used, time.monotonic())

    def _make(self) -> _Member:
        now = time.monotonic()
        return _Member(make_async_link(self._address, self._name, self._limits.conn_timeout, None), now, now)


def make_async_link(address: RedisAddress, name: str, connect_timeout: float, read_timeout: float | None) -> Any:
    """An asynchronous connection of the library's. `Any`: its own types differ from release to release."""
    kind: Any = UnixDomainSocketConnection if address.path else SSLConnection if address.tls else Connection
    return kind(**link_arguments(address, kind, Retry, name, connect_timeout, read_timeout))
