"""The connections of one asyncio executor: a pool for calls, a subscription for ends, both of the loop that runs."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterable, Sequence
from typing import Final, TypeVar

from rrqmp.aio.notices import AsyncNotices
from rrqmp.client.redis_config import RedisConfig
from rrqmp.client.waiting_room import AnyHandle, Sink
from rrqmp.errors import ConfigurationError
from rrqmp.handling.coroutines import kept_task
from rrqmp.store.aio import AsyncStore
from rrqmp.store.aio_listener import AsyncListener
from rrqmp.store.calls.watch import WatchReply, watch
from rrqmp.store.keys import QueueKeys
from rrqmp.store.script import Call
from rrqmp.store.url import parse_url

R = TypeVar("R")
_READ_SECONDS: Final = 10.0


class LoopRoom:
    """What belongs to one loop. A task of its own closes it all, also where `asyncio.run` ends without a `close()`."""

    def __init__(self, url: str, config: RedisConfig, resend_seconds: float, name: str) -> None:
        self.loop = asyncio.get_running_loop()
        self.pid = os.getpid()
        self.store = AsyncStore(
            url, name=name, read_timeout=_READ_SECONDS, resend_seconds=resend_seconds, limits=config.limits()
        )
        self.notices = AsyncNotices(lambda: AsyncListener(url), self._ask)
        self._keeper = kept_task(self._keep(), "keeper")

    @property
    def is_open(self) -> bool:
        """Whether it can be used by the loop that runs now."""
        return not self._keeper.done() and self.loop is asyncio.get_running_loop() and self.pid == os.getpid()

    @property
    def is_elsewhere(self) -> bool:
        """Whether it still lives, on another loop of this process."""
        return not (self._keeper.done() or self.loop.is_closed()) and self.pid == os.getpid()

    async def close(self) -> None:
        """Wakes who waits and closes all connections."""
        self._keeper.cancel()
        await asyncio.wait([self._keeper])

    async def _keep(self) -> None:
        try:
            await self.loop.create_future()
        finally:
            tasks = self.notices.close()
            if tasks:
                await asyncio.wait(tasks)
            await self.store.close()

    async def _ask(self, keys: QueueKeys, ids: Sequence[str]) -> list[WatchReply]:
        return await self.store.run(watch(keys, ids))


class AsyncReach:
    """Shared by an executor and its views. No I/O before the first call; a second `asyncio.run` starts afresh."""

    def __init__(self, url: str, config: RedisConfig, *, resend_seconds: float, name: str = "rrqmp-client") -> None:
        parse_url(url)
        self.url = url
        self._config = config
        self._resend_seconds = resend_seconds
        self._name = name
        self._room: LoopRoom | None = None

    async def run(self, call: Call[R]) -> R:
        """Runs a script call."""
        return await self._here().store.run(call)

    def reply_for(self, keys: QueueKeys) -> str:
        """What a submission says as its reply channel; nothing where no loop runs, as for a `prepare()` outside one."""
        room = self._room
        try:
            return room.notices.reply_for(keys) if room is not None and room.is_open else ""
        except RuntimeError:
            return ""

    def announce(self, handle: AnyHandle) -> None:
        """Before a submission with a reply channel is sent."""
        self._here().notices.announce(handle)

    def expect(self, handles: Iterable[AnyHandle], sink: Sink) -> None:
        """Gives each to the sink once its activity has ended."""
        self._here().notices.expect(handles, sink)

    def forget(self, handles: Iterable[AnyHandle], sink: Sink) -> None:
        """Gives nothing more to the sink."""
        if self._room is not None:
            self._room.notices.forget(handles, sink)

    async def close(self) -> None:
        """Closes all connections of this loop; may be called twice, and a later call opens new ones."""
        room, self._room = self._room, None
        if room is not None and room.is_open:
            await room.close()

    def _here(self) -> LoopRoom:
        room = self._room
        if room is not None:
            if room.is_open:
                return room
            if room.is_elsewhere:
                raise ConfigurationError(
                    "this asyncio executor is in use on another event loop, which still runs: make one for each loop, "
                    "or use the blocking ActivityExecutor, which threads may share"
                )
        room = self._room = LoopRoom(self.url, self._config, self._resend_seconds, self._name)
        return room
