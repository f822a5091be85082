"""Notices: heard by threads and loops, told again after a loss, and ended by close."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator

import pytest

from rrqmp.model.attempt import Ending
from rrqmp.model.status import ActivityStatus
from rrqmp.store.aio import AsyncStore
from rrqmp.store.aio_listener import AsyncListener
from rrqmp.store.calls.cancel import cancel
from rrqmp.store.calls.cycle import Settlement, SlotIdent, cycle
from rrqmp.store.calls.enqueue import Submission, enqueue
from rrqmp.store.calls.heartbeat import heartbeat
from rrqmp.store.calls.watch import read_done_notice, watch
from rrqmp.store.connection import BlockingConnection
from rrqmp.store.embedded import EmbeddedServer
from rrqmp.store.keys import QueueKeys
from rrqmp.store.notices import Notice, NoticeKind, NoticeListener
from rrqmp.store.rules import StoreRules

RULES = StoreRules()
IDENT = SlotIdent("n@1", 0, 1)


@pytest.fixture
def listener(server: EmbeddedServer, queue_name: str) -> Iterator[NoticeListener]:
    listener = NoticeListener(server.url, name=f"listener-{queue_name}")
    yield listener
    listener.close()
    assert listener.next() is None


def _next(listener: NoticeListener, kind: NoticeKind) -> Notice:
    for _ in range(20):
        notice = listener.next(5)
        assert notice is not None, f"no {kind} within 5 s"
        if notice.kind is kind:
            return notice
    raise AssertionError(f"twenty notices and no {kind}")


def _drop(store: BlockingConnection, name: str) -> None:
    """Ends the connections of this name, as a failing network would."""
    for line in store.command("CLIENT", "LIST").decode().splitlines():
        words = dict(word.split("=", 1) for word in line.split() if "=" in word)
        if words["name"] == name:
            store.command("CLIENT", "KILL", "ID", words["id"])


def test_end_of_an_activity_is_told_to_its_client_with_the_result(
    store: BlockingConnection, keys: QueueKeys, listener: NoticeListener
) -> None:
    listener.subscribe(keys.done_channel("me"))
    _next(listener, NoticeKind.CONNECTED)
    _complete(store, keys, b'{"reply":"me"}\n1', b"42")
    notice = read_done_notice(_next(listener, NoticeKind.MESSAGE).message)
    assert (notice.activity_id, notice.status) == ("x", ActivityStatus.COMPLETED)
    assert notice.out == b'{"kind":"completed"}\n42'


def test_large_outcome_is_told_without_its_bytes(
    store: BlockingConnection, keys: QueueKeys, listener: NoticeListener
) -> None:
    listener.subscribe(keys.done_channel("me"))
    _next(listener, NoticeKind.CONNECTED)
    _complete(store, keys, b'{"reply":"me"}\n1', b"1" * 5000)
    assert read_done_notice(_next(listener, NoticeKind.MESSAGE).message).out is None


def test_watched_activity_tells_its_own_channel(
    store: BlockingConnection, keys: QueueKeys, listener: NoticeListener
) -> None:
    store.run(enqueue(keys, RULES, [Submission("x", "t", b"{}\n1")]))
    listener.subscribe(keys.done_channel("x"))
    assert _next(listener, NoticeKind.SUBSCRIBED).channel == keys.done_channel("x")
    store.run(watch(keys, ["x"]))
    store.run(cancel(keys, RULES, "x"))
    notice = read_done_notice(_next(listener, NoticeKind.MESSAGE).message)
    assert notice.status is ActivityStatus.CANCELLED


def _complete(store: BlockingConnection, keys: QueueKeys, spec: bytes, result: bytes) -> None:
    store.run(enqueue(keys, RULES, [Submission("x", "t", spec)]))
    store.run(heartbeat(keys, RULES, IDENT.node, joining=True, slots=[0]))
    store.run(cycle(keys, RULES, IDENT, seq=1, want=1, types=["t"]))
    done = Settlement("x", IDENT.token(1), Ending.COMPLETED, b'{"kind":"completed"}\n' + result)
    store.run(cycle(keys, RULES, IDENT, seq=2, want=0, settlements=[done]))


def test_subscription_stands_again_after_a_loss_and_says_so(
    store: BlockingConnection, listener: NoticeListener, queue_name: str
) -> None:
    listener.subscribe(f"{queue_name}-a", f"{queue_name}-b")
    _next(listener, NoticeKind.CONNECTED)
    _drop(store, f"listener-{queue_name}")
    _next(listener, NoticeKind.CONNECTED)
    store.command("PUBLISH", f"{queue_name}-b", "still here")
    assert _next(listener, NoticeKind.MESSAGE).message == b"still here"


def test_other_threads_subscribe_and_close_while_one_waits(
    store: BlockingConnection, listener: NoticeListener, queue_name: str
) -> None:
    heard: list[Notice] = []
    came = threading.Event()

    def hear() -> None:
        while (notice := listener.next()) is not None:
            if notice.kind is NoticeKind.MESSAGE:
                heard.append(notice)
                came.set()
            elif notice.kind is NoticeKind.SUBSCRIBED:
                store.command("PUBLISH", notice.channel, "welcome")

    thread = threading.Thread(target=hear)
    thread.start()
    listener.subscribe(queue_name)
    assert came.wait(5)
    listener.close()
    thread.join(5)
    assert not thread.is_alive()
    assert [notice.message for notice in heard] == [b"welcome"]


def test_wait_for_a_notice_ends_with_its_timeout(listener: NoticeListener) -> None:
    while (notice := listener.next(0.05)) is not None:
        assert notice.kind is NoticeKind.CONNECTED


def test_unsubscribed_channel_is_not_heard(
    store: BlockingConnection, listener: NoticeListener, queue_name: str
) -> None:
    listener.subscribe(f"{queue_name}-a", f"{queue_name}-b")
    _next(listener, NoticeKind.CONNECTED)
    listener.unsubscribe(f"{queue_name}-a")
    listener.subscribe(f"{queue_name}-c")
    while _next(listener, NoticeKind.SUBSCRIBED).channel != f"{queue_name}-c":
        pass
    store.command("PUBLISH", f"{queue_name}-a", "no")
    store.command("PUBLISH", f"{queue_name}-b", "yes")
    assert _next(listener, NoticeKind.MESSAGE).message == b"yes"


async def _hear(
    server: EmbeddedServer, channels: list[str], name: str, act: Callable[[int], object], wanted: int
) -> list[Notice]:
    """Plays `act` with the number of CONNECTED marks so far, until so many notices were heard."""
    heard: list[Notice] = []
    connected = 0

    async def listen() -> None:
        nonlocal connected
        listener = AsyncListener(server.url, name=name)
        listener.subscribe(*channels)
        async for notice in listener:
            if notice.kind is NoticeKind.SUBSCRIBED:
                continue
            heard.append(notice)
            if notice.kind is NoticeKind.CONNECTED:
                connected += 1
                await asyncio.to_thread(act, connected)
            if len(heard) == wanted:
                return

    await asyncio.wait_for(listen(), 10)
    return heard


def test_loop_hears_due_times_and_reconnects(
    server: EmbeddedServer, store: BlockingConnection, keys: QueueKeys, queue_name: str
) -> None:
    def act(connected: int) -> None:
        if connected == 1:
            _drop(store, f"loop-{queue_name}")
        else:
            store.run(enqueue(keys, RULES, [Submission("x", "t", b"{}\n1", delay_us=10**9)]))

    heard = asyncio.run(_hear(server, [keys.due_channel], f"loop-{queue_name}", act, 3))
    assert [notice.kind for notice in heard] == [NoticeKind.CONNECTED, NoticeKind.CONNECTED, NoticeKind.MESSAGE]
    assert int(heard[2].message) > 10**9


def test_node_is_told_of_a_cancel_at_once(
    server: EmbeddedServer, store: BlockingConnection, keys: QueueKeys, queue_name: str
) -> None:
    store.run(enqueue(keys, RULES, [Submission("x", "t", b"{}\n1")]))
    store.run(heartbeat(keys, RULES, IDENT.node, joining=True, slots=[0]))
    store.run(cycle(keys, RULES, IDENT, seq=1, want=1, types=["t"]))

    def act(connected: int) -> None:
        store.run(cancel(keys, RULES, "x"))

    heard = asyncio.run(_hear(server, [keys.control_channel(IDENT.node)], f"loop-{queue_name}", act, 2))
    assert heard[1].message == f"x {IDENT.token(1)}".encode()


async def _many(url: str, keys: QueueKeys) -> int:
    store = AsyncStore(url)
    calls = [enqueue(keys, RULES, [Submission(f"x{i}", "t", b"{}\n1")]) for i in range(40)]
    verdicts = await asyncio.gather(*(store.run(call) for call in calls))
    await store.close()
    return len(verdicts)


def test_asynchronous_store_serves_many_tasks_over_a_few_connections(server: EmbeddedServer, keys: QueueKeys) -> None:
    assert asyncio.run(_many(server.url, keys)) == 40


async def _cancelled_task(url: str, keys: QueueKeys) -> bytes:
    store = AsyncStore(url, max_connections=1)
    task = asyncio.create_task(store.command("BLPOP", keys.wake("t"), 5))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    reply = await store.command("PING")
    await store.close()
    assert isinstance(reply, bytes)
    return reply


def test_cancelled_task_leaves_no_answer_for_the_next_call(server: EmbeddedServer, keys: QueueKeys) -> None:
    assert asyncio.run(_cancelled_task(server.url, keys)) == b"PONG"
