"""The connections of one executor in each process: a pool for calls, a subscription for ends."""

from __future__ import annotations

import os
import weakref
from collections.abc import Iterable, Sequence
from typing import NamedTuple, TypeVar

from rrqmp.client.notices import Notices, StartThread
from rrqmp.client.redis_config import RedisConfig
from rrqmp.client.waiting_room import AnyHandle, Sink
from rrqmp.store.calls.watch import WatchReply, watch
from rrqmp.store.keys import QueueKeys
from rrqmp.store.notices import NoticeListener
from rrqmp.store.pool import ConnectionPool

R = TypeVar("R")


class _Room(NamedTuple):
    pid: int
    notices: Notices


class Reach:
    """Shared by an executor and its views. No I/O before the first call; nothing is shared with a parent process."""

    def __init__(
        self,
        url: str,
        config: RedisConfig,
        *,
        resend_seconds: float,
        name: str = "rrqmp-client",
        start_thread: StartThread | None = None,
    ) -> None:
        self.url = url
        self._pool = ConnectionPool(url, config.limits(), name=name, resend_seconds=resend_seconds)
        # The pool looks after forks itself; bound here since it is called for every activity.
        self.run = self._pool.run
        self._room: _Room | None = None
        self._start_thread = start_thread

    def reply_for(self, keys: QueueKeys) -> str:
        """What a submission says as its reply channel."""
        room = self._room
        return room.notices.reply_for(keys) if room is not None and room.pid == os.getpid() else ""

    def announce(self, handle: AnyHandle) -> None:
        """Before a submission with a reply channel is sent."""
        self._notices().announce(handle)

    def expect(self, handles: Iterable[AnyHandle], sink: Sink) -> None:
        """Gives each to the sink once its activity has ended."""
        self._notices().expect(handles, sink)

    def forget(self, handles: Iterable[AnyHandle], sink: Sink) -> None:
        """Gives nothing more to the sink."""
        self._notices().forget(handles, sink)

    def close(self) -> None:
        """Closes all connections of this process; may be called twice, and a later call opens new ones."""
        room, self._room = self._room, None
        if room is not None and room.pid == os.getpid():
            room.notices.close()
        self._pool.close()

    def _notices(self) -> Notices:
        room = self._room
        if room is None or room.pid != os.getpid():
            # Two threads may both come here; making one does no I/O, and the last one stays.
            room = self._room = _Room(os.getpid(), self._make_notices())
        return room.notices

    def _make_notices(self) -> Notices:
        pool, url = self._pool, self.url

        def ask(keys: QueueKeys, ids: Sequence[str]) -> list[WatchReply]:
            return pool.run(watch(keys, ids))

        notices = Notices(lambda: NoticeListener(url), ask, self._start_thread)
        # Its thread knows the pool and not us, so an executor that nobody holds any more ends it.
        weakref.finalize(self, notices.close).atexit = False
        return notices
