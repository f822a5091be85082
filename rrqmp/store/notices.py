"""The subscription for futures (signatures; body follows)."""

from __future__ import annotations

from typing import NamedTuple


class Notice(NamedTuple):
    """A message; an empty `channel` marks a reconnect: what was published in between is lost."""

    channel: str
    message: bytes

    @property
    def reconnected(self) -> bool:
        return not self.channel


class NoticeListener:
    """One subscription; `next()` is called by one thread, `subscribe`, `unsubscribe` and `close` by any."""

    def __init__(self, url: str, *, name: str = "rrqmp-notices", connect_timeout: float = 5.0) -> None: ...
    def open(self) -> None: raise NotImplementedError
    def subscribe(self, *channels: str) -> None: """Returns at once; the channel stands when `next()` has returned a Notice with message b"" for it, or use wait_subscribed."""; raise NotImplementedError
    def unsubscribe(self, *channels: str) -> None: raise NotImplementedError
    def next(self, timeout: float | None = None) -> Notice | None: """None on time-out or close."""; raise NotImplementedError
    def close(self) -> None: raise NotImplementedError
