"""Messages of subscribed channels, for threads: what futures wait on."""

from __future__ import annotations

import contextlib
import os
import select
import threading
import time
from collections import deque
from collections.abc import Iterator
from enum import Enum
from typing import Any, NamedTuple

from redis import exceptions

from rrqmp.store.connection import make_link
from rrqmp.store.faults import pauses, translate
from rrqmp.store.link import pack
from rrqmp.store.url import parse_url


class NoticeKind(Enum):
    """`MESSAGE`: published. `SUBSCRIBED`: this channel stands now. `CONNECTED`: all stand, for the first time or again.

    What was published between a loss and CONNECTED never arrives.
    """

    MESSAGE = 1
    SUBSCRIBED = 2
    CONNECTED = 3


class Notice(NamedTuple):
    """`message` is empty unless the kind is MESSAGE, `channel` empty where it is CONNECTED."""

    kind: NoticeKind
    channel: str = ""
    message: bytes = b""


def read_notice(reply: Any) -> Notice | None:
    """A reply of a connection in subscribed state as a notice; nothing for an unsubscription."""
    if not isinstance(reply, list) or len(reply) != 3:
        return None
    kind, channel, payload = reply
    if kind == b"message":
        return Notice(NoticeKind.MESSAGE, channel.decode(), payload)
    if kind == b"subscribe":
        return Notice(NoticeKind.SUBSCRIBED, channel.decode())
    return None


class NoticeListener:
    """One subscription. One thread calls `next`; `subscribe`, `unsubscribe` and `close` may be called by any.

    Connects, and connects again, inside `next`, so a lost server shows as silence and then as a CONNECTED notice.
    Fork: make a new one in the child.
    """

    def __init__(self, url: str, *, name: str = "rrqmp-notices", connect_timeout: float = 5.0) -> None:
        self.address = parse_url(url)
        # A read never waits for long: poll comes first, the timeout is for a message that stops half way.
        self._link = make_link(self.address, name, connect_timeout, 5.0)
        self._lock = threading.Lock()
        self._wanted: set[str] = set()
        self._orders: deque[tuple[str, tuple[str, ...]]] = deque()
        self._ready: deque[Notice] = deque()
        self._missing: set[str] | None = None
        self._bell = os.pipe()
        for end in self._bell:
            os.set_blocking(end, False)
        # Rung by other threads, heard by the one in `next`.
        self._closed = False
        self._pauses: Iterator[float] = pauses()

    def subscribe(self, *channels: str) -> None:
        """Asks for these channels; each stands when its SUBSCRIBED notice has come."""
        self._order("SUBSCRIBE", channels)

    def unsubscribe(self, *channels: str) -> None:
        """Asks for no more of these channels."""
        self._order("UNSUBSCRIBE", channels)

    def close(self) -> None:
        """Ends the subscription; `next` returns None from now on. The thread in `next` closes the socket."""
        with self._lock:
            self._closed = True
            self._ring()

    def next(self, timeout: float | None = None) -> Notice | None:
        """The next notice; None after `timeout` seconds or when closed."""
        deadline = None if timeout is None else time.monotonic() + timeout
        while not self._closed:
            if self._ready:
                return self._ready.popleft()
            left = None if deadline is None else deadline - time.monotonic()
            if left is not None and left <= 0:
                return None
            try:
                self._advance(left)
            except (exceptions.RedisError, OSError) as error:
                self._lose(error, left)
        self._link.disconnect()
        return None

    def _advance(self, left: float | None) -> None:
        if self._link._sock is None:
            self._connect()
        with self._lock:
            orders = list(self._orders)
            self._orders.clear()
        for verb, channels in orders:
            self._link.send_packed_command((pack((verb, *channels)),), False)
        if not self._link.can_read(0):
            self._wait(left)
            if not self._link.can_read(0):
                return
        self._take(read_notice(self._link.read_response()))

    def _connect(self) -> None:
        self._link.connect()
        with self._lock:
            self._orders.clear()
            self._missing = set(self._wanted)
            if self._wanted:
                self._orders.append(("SUBSCRIBE", tuple(self._wanted)))
        self._pauses = pauses()
        self._announce()

    def _take(self, notice: Notice | None) -> None:
        if notice is None:
            return
        self._ready.append(notice)
        if notice.kind is NoticeKind.SUBSCRIBED and self._missing is not None:
            with self._lock:
                self._missing.discard(notice.channel)
            self._announce()

    def _announce(self) -> None:
        if self._missing is not None and not self._missing:
            self._missing = None
            self._ready.append(Notice(NoticeKind.CONNECTED))

    def _wait(self, left: float | None) -> None:
        poller = select.poll()
        poller.register(self._link._sock, select.POLLIN)
        poller.register(self._bell[0], select.POLLIN)
        poller.poll(None if left is None else max(0.0, left) * 1000)
        self._silence()

    def _lose(self, error: Exception, left: float | None) -> None:
        self._link.disconnect()
        if isinstance(error, exceptions.AuthenticationError):
            raise translate(error, self.address) from error
        pause = next(self._pauses)
        bell = select.poll()
        bell.register(self._bell[0], select.POLLIN)
        # An order or close() ends the pause.
        bell.poll((pause if left is None else min(pause, left)) * 1000)
        self._silence()

    def _order(self, verb: str, channels: tuple[str, ...]) -> None:
        if not channels:
            return
        with self._lock:
            if verb == "SUBSCRIBE":
                self._wanted.update(channels)
            else:
                self._wanted.difference_update(channels)
                if self._missing is not None:
                    # Kept and not counted out at every notice, for there may be thousands.
                    self._missing.difference_update(channels)
            self._orders.append((verb, channels))
            self._ring()

    def _ring(self) -> None:
        with contextlib.suppress(BlockingIOError, OSError):
            os.write(self._bell[1], b"\0")

    def _silence(self) -> None:
        with contextlib.suppress(BlockingIOError):
            os.read(self._bell[0], 4096)

    def __del__(self) -> None:
        for end in getattr(self, "_bell", ()):
            with contextlib.suppress(OSError):
                os.close(end)
