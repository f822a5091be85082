"""The asynchronous subscription (signatures; body follows)."""

from __future__ import annotations

from collections.abc import AsyncIterator

from rrqmp.store.notices import Notice


class AsyncNotices:
    """`async for notice in AsyncNotices(url, channels)`: messages, and a mark (`reconnected`) once every subscription stands (anew)."""

    def __init__(self, url: str, channels: list[str], *, name: str = "rrqmp-notices") -> None: ...
    def __aiter__(self) -> AsyncIterator[Notice]: raise NotImplementedError
    async def close(self) -> None: raise NotImplementedError
