"""The client's pool: many threads, a bounded number of connections, and children that leave their parent's alone."""

from __future__ import annotations

import os
import threading

import pytest

from rrqmp.errors import StoreUnavailable
from rrqmp.store.calls.enqueue import Submission, enqueue
from rrqmp.store.calls.stats import stats
from rrqmp.store.connection import BlockingConnection
from rrqmp.store.embedded import EmbeddedServer
from rrqmp.store.keys import QueueKeys
from rrqmp.store.pool import ConnectionPool, PoolLimits
from rrqmp.store.rules import StoreRules

RULES = StoreRules()


def _connections(store: BlockingConnection, name: str) -> int:
    return len(_ids(store, name))


def test_threads_share_a_bounded_number_of_connections(
    server: EmbeddedServer, store: BlockingConnection, keys: QueueKeys, queue_name: str
) -> None:
    with ConnectionPool(server.url, PoolLimits(max_size=3), name=queue_name) as pool:

        def submit(thread: int) -> None:
            for i in range(50):
                pool.run(enqueue(keys, RULES, [Submission(f"x{thread}-{i}", "t", b"{}\n1")]))

        threads = [threading.Thread(target=submit, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        assert pool.run(stats(keys)).pending_count == 400
        assert 1 <= _connections(store, queue_name) <= 3


def test_wait_for_a_free_connection_ends_and_says_what_to_raise(server: EmbeddedServer, keys: QueueKeys) -> None:
    with ConnectionPool(server.url, PoolLimits(max_size=1, conn_timeout=0.05)) as pool:
        holding, go_on = threading.Event(), threading.Event()

        def read(reply: object) -> None:
            holding.set()
            go_on.wait(10)

        thread = threading.Thread(target=pool.run, args=(stats(keys)._replace(read=read),))  # type: ignore[arg-type]
        thread.start()
        assert holding.wait(10)
        with pytest.raises(StoreUnavailable, match="raise max_size"):
            pool.run(stats(keys))
        go_on.set()
        thread.join(10)


def test_child_after_a_fork_opens_its_own_connection(
    server: EmbeddedServer, store: BlockingConnection, keys: QueueKeys, queue_name: str
) -> None:
    with ConnectionPool(server.url, name=queue_name) as pool:
        pool.run(stats(keys))
        (before,) = _ids(store, queue_name)
        child = os.fork()
        if child == 0:
            code = 1
            try:
                pool.run(enqueue(keys, RULES, [Submission("child", "t", b"{}\n1")]))
                pool.close()
                code = 0
            finally:
                os._exit(code)
        assert os.waitpid(child, 0)[1] == 0
        assert pool.run(stats(keys)).pending_count == 1
        assert _ids(store, queue_name) == [before]


def _ids(store: BlockingConnection, name: str) -> list[str]:
    lines = store.command("CLIENT", "LIST").decode().splitlines()
    return [line.split()[0] for line in lines if f"name={name} " in line]


def test_connection_that_lived_too_long_is_replaced(
    server: EmbeddedServer, store: BlockingConnection, keys: QueueKeys, queue_name: str
) -> None:
    with ConnectionPool(server.url, PoolLimits(max_lifetime=0.0), name=queue_name) as pool:
        pool.run(stats(keys))
        first = _ids(store, queue_name)
        pool.run(stats(keys))
        assert _ids(store, queue_name) != first


def test_pool_works_again_after_close(server: EmbeddedServer, keys: QueueKeys) -> None:
    pool = ConnectionPool(server.url)
    pool.run(stats(keys))
    pool.close()
    pool.close()
    assert pool.run(stats(keys)).pending_count == 0
    pool.close()


def test_nothing_is_connected_before_the_first_call() -> None:
    ConnectionPool("unix:///nowhere/at/all").close()


def test_as_many_as_asked_for_are_opened_at_first_use_and_again_when_age_closed_them(
    server: EmbeddedServer, store: BlockingConnection, keys: QueueKeys, queue_name: str
) -> None:
    limits = PoolLimits(max_size=5, min_idle=3, idle_timeout=0.2)
    with ConnectionPool(server.url, limits, name=queue_name) as pool:
        assert _connections(store, queue_name) == 0
        pool.run(stats(keys))
        first = _ids(store, queue_name)
        assert len(first) == 3
        pool.run(stats(keys))
        assert _ids(store, queue_name) == first
        _age(pool)
        pool.run(stats(keys))
        second = _ids(store, queue_name)
        assert len(second) == 3
        assert not set(first) & set(second)


def test_no_more_are_kept_ready_than_there_are_places(
    server: EmbeddedServer, store: BlockingConnection, keys: QueueKeys, queue_name: str
) -> None:
    with ConnectionPool(server.url, PoolLimits(max_size=2, min_idle=2), name=queue_name) as pool:
        pool.run(stats(keys))
        assert _connections(store, queue_name) == 2


def test_a_server_that_is_away_at_first_use_is_told_once(queue_name: str, keys: QueueKeys) -> None:
    limits = PoolLimits(min_idle=3, conn_timeout=0.2)
    with (
        ConnectionPool("redis://127.0.0.1:1", limits, name=queue_name, resend_seconds=0.1) as pool,
        pytest.raises(StoreUnavailable, match="does not answer"),
    ):
        pool.run(stats(keys))


def _age(pool: ConnectionPool) -> None:
    """Makes its idle connections as old as if nobody had used them for an hour."""
    for member in pool._idle:
        member.used -= 3600
