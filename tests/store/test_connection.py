"""The blocking connection: no I/O too early, an idle wait that can be polled, no answer to the wrong call."""

from __future__ import annotations

import os
import select
from pathlib import Path

import pytest

from rrqmp.errors import StoreError, StoreUnavailable
from rrqmp.store.calls.enqueue import Submission, enqueue
from rrqmp.store.calls.stats import stats
from rrqmp.store.connection import BlockingConnection
from rrqmp.store.embedded import EmbeddedServer
from rrqmp.store.keys import QueueKeys
from rrqmp.store.rules import StoreRules

RULES = StoreRules()


def _ready_within(connection: BlockingConnection, seconds: float) -> bool:
    poller = select.poll()
    poller.register(connection.fileno(), select.POLLIN)
    return bool(poller.poll(seconds * 1000))


def test_making_one_does_nothing_and_closing_twice_is_allowed() -> None:
    connection = BlockingConnection("unix:///nowhere/at/all")
    assert connection.fileno() == -1
    connection.close()
    connection.close()


def test_opening_says_what_is_wrong(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable, match="is it running"):
        BlockingConnection(f"unix://{tmp_path}/none").open()


def test_idle_wait_ends_with_the_key_of_a_token(
    server: EmbeddedServer, store: BlockingConnection, keys: QueueKeys
) -> None:
    with BlockingConnection(server.url) as idle:
        idle.begin_pop([keys.wake("u"), keys.wake("t")], 30)
        assert not idle.reply_ready()
        store.run(enqueue(keys, RULES, [Submission("x", "t", b"{}\n1")]))
        assert _ready_within(idle, 5)
        assert idle.reply_ready()
        assert idle.end_pop() == keys.wake("t")
        assert idle.run(stats(keys)).pending_count == 1


def test_idle_wait_ends_empty_after_its_timeout(store: BlockingConnection, keys: QueueKeys) -> None:
    store.begin_pop([keys.wake("t")], 0.01)
    assert _ready_within(store, 5)
    assert store.end_pop() is None


def test_idle_wait_that_is_cut_off_says_so_and_the_next_call_connects_again(
    server: EmbeddedServer, store: BlockingConnection, keys: QueueKeys, queue_name: str
) -> None:
    with BlockingConnection(server.url, name=queue_name) as idle:
        idle.begin_pop([keys.wake("t")], 30)
        (line,) = [li for li in store.command("CLIENT", "LIST").decode().splitlines() if f"name={queue_name} " in li]
        store.command("CLIENT", "KILL", "ID", line.split()[0].partition("=")[2])
        assert _ready_within(idle, 5)
        assert idle.reply_ready()
        with pytest.raises(StoreUnavailable):
            idle.end_pop()
        assert idle.run(stats(keys)).pending_count == 0


def test_supervisor_ends_an_idle_wait_from_outside(
    server: EmbeddedServer, store: BlockingConnection, keys: QueueKeys
) -> None:
    with BlockingConnection(server.url) as idle:
        number = idle.command("CLIENT", "ID")
        idle.begin_pop([keys.wake("t")], 30)
        assert store.command("CLIENT", "UNBLOCK", number) == 1
        assert _ready_within(idle, 5)
        assert idle.end_pop() is None


def test_refused_command_keeps_the_connection(store: BlockingConnection, keys: QueueKeys) -> None:
    store.command("SET", keys.root + "text", "1")
    before = store.fileno()
    with pytest.raises(StoreError, match="WRONGTYPE"):
        store.command("LLEN", keys.root + "text")
    assert store.fileno() == before
    assert store.command("PING") == b"PONG"


def test_child_that_drops_its_copy_leaves_the_parent_connected(store: BlockingConnection) -> None:
    child = os.fork()
    if child == 0:
        store.close()
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    before = store.fileno()
    assert store.command("PING") == b"PONG"
    assert store.fileno() == before
