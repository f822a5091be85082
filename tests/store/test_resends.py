"""A call whose answer is lost goes out again and is taken as a repeat; scripts that were flushed are loaded again."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from rrqmp.errors import StoreUnavailable
from rrqmp.model.attempt import Ending
from rrqmp.store.aio import AsyncStore
from rrqmp.store.calls.cycle import CycleStatus, Settlement, SlotIdent, Verdict, cycle
from rrqmp.store.calls.enqueue import Acceptance, Submission, enqueue
from rrqmp.store.calls.heartbeat import heartbeat
from rrqmp.store.calls.stats import stats
from rrqmp.store.connection import BlockingConnection
from rrqmp.store.embedded import EmbeddedServer
from rrqmp.store.keys import QueueKeys
from rrqmp.store.rules import StoreRules
from tests.servers import embedded_server
from tests.store.cutting_proxy import Cut, CuttingProxy

RULES = StoreRules()
IDENT = SlotIdent("n@1", 0, 1)


@pytest.fixture
def proxy(server: EmbeddedServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[CuttingProxy]:
    folder = tmp_path_factory.mktemp("proxy")
    with CuttingProxy(folder / "s", server.place.socket) as proxy:
        yield proxy


@pytest.mark.parametrize("cut", list(Cut))
def test_enqueue_cut_off_is_accepted_once(proxy: CuttingProxy, keys: QueueKeys, cut: Cut) -> None:
    with BlockingConnection(proxy.url) as connection:
        # The server knows the script, so that the request which is cut is the one that counts.
        connection.run(enqueue(keys, RULES, [Submission("y", "u", b"{}\n1")]))
        proxy.arm(b"EVALSHA", cut)
        (verdict,) = connection.run(enqueue(keys, RULES, [Submission("x", "t", b"{}\n1")]))
        assert proxy.cuts == 1
        assert verdict.kind is (Acceptance.CREATED if cut is Cut.BEFORE else Acceptance.EXISTS)
        assert connection.run(stats(keys)).by_type == {"u": 1, "t": 1}


@pytest.mark.parametrize("cut", list(Cut))
def test_cycle_cut_off_settles_once_and_hands_out_the_same_claims(
    proxy: CuttingProxy, keys: QueueKeys, cut: Cut
) -> None:
    with BlockingConnection(proxy.url) as connection:
        connection.run(enqueue(keys, RULES, [Submission(f"x{i}", "t", b"{}\n1") for i in range(3)]))
        connection.run(heartbeat(keys, RULES, IDENT.node, joining=True, slots=[0]))
        first = connection.run(cycle(keys, RULES, IDENT, seq=1, want=1, types=["t"]))
        proxy.arm(b"EVALSHA", cut, times=2)
        done = [Settlement(first.claims[0].activity_id, IDENT.token(1), Ending.COMPLETED, b'{"kind":"completed"}')]
        second = connection.run(cycle(keys, RULES, IDENT, seq=2, want=1, types=["t"], settlements=done))
        assert proxy.cuts == 2
        assert second.status is (CycleStatus.OK if cut is Cut.BEFORE else CycleStatus.REPLAY)
        assert second.verdicts == [Verdict.OK]
        assert [claim.activity_id for claim in second.claims] == ["x1"]
        found = connection.run(stats(keys))
        assert (found.completed_count, found.running_count, found.pending_count) == (1, 1, 1)


def test_call_with_an_end_gives_up_and_says_where(tmp_path: Path, keys: QueueKeys) -> None:
    connection = BlockingConnection(f"unix://{tmp_path}/none", resend_seconds=0.05)
    with pytest.raises(StoreUnavailable, match=f"unix://{tmp_path}/none does not answer"):
        connection.run(stats(keys))


def test_endless_call_outlives_an_outage(
    tmp_path_factory: pytest.TempPathFactory, keys: QueueKeys, caplog: pytest.LogCaptureFixture
) -> None:
    server = EmbeddedServer(tmp_path_factory.mktemp("s"), options={"appendfsync": "always"}).start()
    caplog.set_level(logging.WARNING, "rrqmp.store")
    replies: list[CycleStatus] = []
    heard = threading.Event()
    try:
        with BlockingConnection(server.url, resend_seconds=0.0) as connection:
            connection.run(heartbeat(keys, RULES, IDENT.node, joining=True, slots=[0]))
            server.close()

            def work() -> None:
                replies.append(connection.run(cycle(keys, RULES, IDENT, seq=1, want=1, types=["t"])).status)
                heard.set()

            thread = threading.Thread(target=work)
            thread.start()
            _until(lambda: bool(caplog.records))
            server.start()
            assert heard.wait(10)
            thread.join(10)
    finally:
        server.close()
    assert replies == [CycleStatus.OK]
    assert "is away" in caplog.records[0].getMessage()


def _until(condition: object) -> None:
    assert callable(condition)
    moment = threading.Event()
    for _ in range(1000):
        if condition():
            return
        moment.wait(0.01)
    raise AssertionError("the connection never said that Redis is away")


def test_flushed_scripts_are_loaded_again(store: BlockingConnection, keys: QueueKeys) -> None:
    store.run(enqueue(keys, RULES, [Submission("x", "t", b"{}\n1")]))
    store.command("SCRIPT", "FLUSH")
    assert store.run(stats(keys)).pending_count == 1


async def _flushed(url: str, keys: QueueKeys) -> int:
    store = AsyncStore(url)
    await store.command("SCRIPT", "FLUSH")
    found = await store.run(stats(keys))
    await store.close()
    return found.pending_count


def test_asynchronous_store_loads_flushed_scripts_again(server: EmbeddedServer, keys: QueueKeys) -> None:
    assert asyncio.run(_flushed(server.url, keys)) == 0


async def _cut_async(proxy: CuttingProxy, keys: QueueKeys) -> Acceptance:
    store = AsyncStore(proxy.url)
    await store.run(enqueue(keys, RULES, [Submission("y", "u", b"{}\n1")]))
    proxy.arm(b"EVALSHA", Cut.AFTER)
    (verdict,) = await store.run(enqueue(keys, RULES, [Submission("x", "t", b"{}\n1")]))
    await store.close()
    return verdict.kind


def test_asynchronous_store_sends_again(proxy: CuttingProxy, keys: QueueKeys) -> None:
    assert asyncio.run(_cut_async(proxy, keys)) is Acceptance.EXISTS


def test_accepted_work_survives_a_killed_server(tmp_path_factory: pytest.TempPathFactory, keys: QueueKeys) -> None:
    folder = tmp_path_factory.mktemp("s")
    with embedded_server(folder, appendonly="yes") as server, BlockingConnection(server.url) as connection:
        connection.run(enqueue(keys, RULES, [Submission(f"x{i}", "t", b"{}\n1") for i in range(100)]))
        assert server.pid is not None
        os.kill(server.pid, signal.SIGKILL)
        server.close()
        server.start()
        assert connection.run(stats(keys)).pending_count == 100
