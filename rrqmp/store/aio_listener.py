"""Messages of subscribed channels, for a loop: what the supervisor hears, and futures of the asyncio client.

Channels come and go while it listens.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from redis import exceptions

from rrqmp.store.aio_links import make_async_link
from rrqmp.store.faults import pauses, translate
from rrqmp.store.link import pack
from rrqmp.store.notices import Notice, NoticeKind, read_notice
from rrqmp.store.url import parse_url


class AsyncListener:
    """The asyncio counterpart of `NoticeListener`: one task iterates, others of its loop subscribe and unsubscribe.

    Connects again without end; a lost server shows as silence and then as a CONNECTED notice. Ends when its task does.
    """

    def __init__(self, url: str, *, name: str = "rrqmp-notices", connect_timeout: float = 5.0) -> None:
        self.address = parse_url(url)
        self._name = name
        self._connect_timeout = connect_timeout
        self._wanted: set[str] = set()
        # What does not stand yet on this connection; kept and not counted out again, for there may be thousands.
        self._missing: set[str] = set()
        self._orders: list[tuple[str, list[str]]] = []
        self._bell = asyncio.Event()

    def subscribe(self, *channels: str) -> None:
        """Asks for these channels; each stands when its SUBSCRIBED notice has come."""
        self._wanted.update(channels)
        self._order("SUBSCRIBE", channels)

    def unsubscribe(self, *channels: str) -> None:
        """Asks for no more of these channels."""
        self._wanted.difference_update(channels)
        self._missing.difference_update(channels)
        self._order("UNSUBSCRIBE", channels)

    async def __aiter__(self) -> AsyncIterator[Notice]:
        waits = pauses()
        while True:
            link = make_async_link(self.address, self._name, self._connect_timeout, None)
            speaking = None
            try:
                async with asyncio.timeout(self._connect_timeout):
                    await link.connect()
                waits = pauses()
                self._missing = set(self._wanted)
                self._orders = [("SUBSCRIBE", list(self._missing))] if self._missing else []
                self._bell.set()
                speaking = asyncio.create_task(self._speak(link), name=self._name)
                async for notice in self._hear(link):
                    yield notice
            except exceptions.AuthenticationError as error:
                raise translate(error, self.address) from error
            except (exceptions.RedisError, OSError):
                await asyncio.sleep(next(waits))
            finally:
                if speaking is not None:
                    speaking.cancel()
                await link.disconnect(nowait=True)

    async def _hear(self, link: Any) -> AsyncIterator[Notice]:
        is_told = False
        while True:
            if not is_told and not self._missing:
                is_told = True
                yield Notice(NoticeKind.CONNECTED)
            notice = read_notice(await link.read_response())
            if notice is not None:
                self._missing.discard(notice.channel)
                yield notice

    async def _speak(self, link: Any) -> None:
        try:
            while True:
                await self._bell.wait()
                self._bell.clear()
                orders, self._orders = self._orders, []
                for verb, channels in orders:
                    await link.send_packed_command((pack((verb, *channels)),), False)
        except (exceptions.RedisError, OSError):
            # The one who hears meets the same, and connects again.
            return

    def _order(self, verb: str, channels: tuple[str, ...]) -> None:
        if not channels:
            return
        if self._orders and self._orders[-1][0] == verb:
            # Thousands of futures that begin to wait in one turn of the loop say so in one command.
            self._orders[-1][1].extend(channels)
        else:
            self._orders.append((verb, list(channels)))
        self._bell.set()
