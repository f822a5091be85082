"""How long a client takes to find out that nobody lets it in: `conn_timeout`, in both clients."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Iterator

import pytest

from rrqmp import aio
from rrqmp.client.executor import ActivityExecutor
from rrqmp.client.redis_config import RedisConfig
from rrqmp.errors import StoreUnavailable

CONFIG = RedisConfig(conn_timeout=0.2)
# Far less than a system's own patience with a server that drops what it is sent.
MOST_SECONDS = 5.0


@pytest.fixture
def silent_url() -> Iterator[str]:
    """An address whose queue of connections is full: who knocks hears nothing, as behind many a firewall."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(0)
        knocking = [socket.socket() for _ in range(4)]
        for one in knocking:
            one.setblocking(False)
            one.connect_ex(listening.getsockname())
        yield f"redis://127.0.0.1:{listening.getsockname()[1]}"
        for one in knocking:
            one.close()


def test_connecting_ends_after_the_time_that_it_may_take(silent_url: str, queue_name: str) -> None:
    began = time.monotonic()
    with (
        ActivityExecutor.connect(silent_url, queue_name, redis_config=CONFIG, resend_seconds=0.01) as executor,
        pytest.raises(StoreUnavailable, match="does not answer"),
    ):
        executor.execute("render")
    assert 0.2 <= time.monotonic() - began < MOST_SECONDS


def test_connecting_on_a_loop_ends_after_it_too(silent_url: str, queue_name: str) -> None:
    async def go() -> None:
        connect = aio.ActivityExecutor.connect
        async with connect(silent_url, queue_name, redis_config=CONFIG, resend_seconds=0.01) as executor:
            with pytest.raises(StoreUnavailable, match="does not answer"):
                await executor.execute("render")

    began = time.monotonic()
    asyncio.run(go())
    assert 0.2 <= time.monotonic() - began < MOST_SECONDS
