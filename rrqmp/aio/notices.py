"""The asyncio client's ear: one subscription and two tasks for all its futures, made when the first one waits."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, Final, TypeAlias

from rrqmp.client.waiting_room import NET_SECONDS, AnyHandle, Sink, WaitingRoom
from rrqmp.errors import WorkerError
from rrqmp.handling.coroutines import kept_task
from rrqmp.store.aio_listener import AsyncListener
from rrqmp.store.calls.watch import WatchReply
from rrqmp.store.keys import QueueKeys

_log: Final = logging.getLogger(__name__)

Ask: TypeAlias = Callable[[QueueKeys, Sequence[str]], Awaitable[list[WatchReply]]]


class AsyncNotices:
    """The waiting room of one loop. One task hears, another asks, so that a slow answer holds up no notice."""

    def __init__(self, open_listener: Callable[[], AsyncListener], ask: Ask) -> None:
        self._room = WaitingRoom()
        self.reply_for = self._room.reply_for
        self.announce = self._room.announce
        self._open_listener = open_listener
        self._ask = ask
        self._listener: AsyncListener | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._bell = asyncio.Event()

    def expect(self, handles: Iterable[AnyHandle], sink: Sink) -> None:
        """Gives each to the sink once it has ended."""
        if channels := self._room.expect(handles, sink):
            self._listen().subscribe(*channels)

    def forget(self, handles: Iterable[AnyHandle], sink: Sink) -> None:
        """Gives no more of these to the sink."""
        channels = self._room.forget(handles, sink)
        if channels and self._listener is not None:
            self._listener.unsubscribe(*channels)

    def close(self) -> list[asyncio.Task[Any]]:
        """Wakes who waits, without an end, and ends the tasks; they are given back to be awaited."""
        self._room.close()
        for task in self._tasks:
            task.cancel()
        return list(self._tasks)

    def _listen(self) -> AsyncListener:
        if self._listener is None:
            self._listener = self._open_listener()
            self._tasks = [kept_task(self._hear(self._listener), "ear"), kept_task(self._keep_asking(), "asker")]
        return self._listener

    async def _hear(self, listener: AsyncListener) -> None:
        room = self._room
        while True:
            try:
                async for notice in listener:
                    try:
                        room.take(notice)
                    except ValueError as error:
                        _log.warning("a notice holds foreign bytes (%s); the net asks for what it may have said", error)
                    if room.unasked or room.unleft:
                        self._bell.set()
            except WorkerError as error:
                _log.warning("no subscription to ends (%s); futures ask every %g s", error, NET_SECONDS)
                await asyncio.sleep(NET_SECONDS)

    async def _keep_asking(self) -> None:
        room = self._room
        while True:
            try:
                async with asyncio.timeout(NET_SECONDS):
                    await self._bell.wait()
            except TimeoutError:
                pass
            self._bell.clear()
            room.cast_net(every=NET_SECONDS)
            if self._listener is not None:
                self._listener.unsubscribe(*room.channels_to_leave())
            try:
                for keys, ids in room.questions():
                    room.answer(ids, await self._ask(keys, ids))
            except WorkerError as error:
                # Waiters wait on; the net asks for them again.
                _log.debug("asking for ends failed: %s", error)
