"""Messages of subscribed channels, for a loop: what the supervisor hears of due times and cancels."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence

from redis import exceptions

from rrqmp.store.aio_links import make_async_link
from rrqmp.store.faults import pauses, translate
from rrqmp.store.link import pack
from rrqmp.store.notices import Notice, NoticeKind, read_notice
from rrqmp.store.url import parse_url


class AsyncNotices:
    """`async for notice in AsyncNotices(url, channels)`: messages, and CONNECTED each time all channels stand.

    Connects again without end; `close()` ends the iteration at its next step, cancelling its task ends it at once.
    """

    def __init__(
        self, url: str, channels: Sequence[str], *, name: str = "rrqmp-notices", connect_timeout: float = 2.0
    ) -> None:
        self.address = parse_url(url)
        self._channels = tuple(channels)
        self._name = name
        self._connect_timeout = connect_timeout
        self._closed = asyncio.Event()

    async def close(self) -> None:
        """Ends the iteration."""
        self._closed.set()

    async def __aiter__(self) -> AsyncIterator[Notice]:
        waits = pauses()
        while not self._closed.is_set():
            link = make_async_link(self.address, self._name, self._connect_timeout, None)
            try:
                await link.send_packed_command((pack(("SUBSCRIBE", *self._channels)),), False)
                missing = set(self._channels)
                while not self._closed.is_set():
                    notice = read_notice(await link.read_response())
                    if notice is None:
                        continue
                    if notice.kind is NoticeKind.MESSAGE:
                        yield notice
                    elif missing:
                        missing.discard(notice.channel)
                        if not missing:
                            waits = pauses()
                            yield Notice(NoticeKind.CONNECTED)
            except exceptions.AuthenticationError as error:
                raise translate(error, self.address) from error
            except (exceptions.RedisError, OSError):
                await asyncio.sleep(next(waits))
            finally:
                await link.disconnect(nowait=True)
