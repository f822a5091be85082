"""The check at start, against real servers."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from rrqmp.errors import StoreError, UnsupportedServer
from rrqmp.store.aio import AsyncStore
from rrqmp.store.connection import BlockingConnection
from rrqmp.store.embedded import EmbeddedServer
from rrqmp.store.server_facts import ServerFacts, ask_server, judge_server
from tests.servers import debian_binary, debian_server, embedded_server


def judged(store: BlockingConnection) -> ServerFacts:
    return judge_server(store.address, store.command("INFO"))


@pytest.fixture
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("s")


def test_embedded_server_is_named_and_needs_no_warning(folder: Path) -> None:
    with EmbeddedServer(folder) as server, BlockingConnection(server.url) as store:
        facts = judged(store)
    assert (facts.name, facts.append_only, facts.warnings) == ("Valkey", True, ())
    assert facts.version.startswith("9.")


@pytest.mark.skipif(debian_binary() is None, reason="this system has no redis-server")
def test_redis_is_named(folder: Path) -> None:
    with debian_server(folder) as server, BlockingConnection(server.url) as store:
        assert judged(store).name == "Redis"


def test_server_that_evicts_any_key_is_refused_with_the_remedy(folder: Path) -> None:
    options = {"maxmemory-policy": "allkeys-lru"}
    remedy = pytest.raises(UnsupportedServer, match="CONFIG SET maxmemory-policy noeviction")
    with embedded_server(folder, **options) as server, BlockingConnection(server.url) as store, remedy:
        judged(store)


def test_weaker_promises_are_warned_of(folder: Path) -> None:
    options = {"maxmemory-policy": "volatile-ttl"}
    with embedded_server(folder, **options) as server, BlockingConnection(server.url) as store:
        assert len(judged(store).warnings) == 2


@pytest.mark.parametrize("entry", ["", ":wrong@", "nobody:wrong@"])
def test_missing_or_wrong_password_is_named_and_not_shown(folder: Path, entry: str) -> None:
    with EmbeddedServer(folder) as server:
        with BlockingConnection(server.url) as store:
            store.command("CONFIG", "SET", "requirepass", "secret")
        url = server.url.replace("unix://", f"unix://{entry}")
        with pytest.raises(StoreError, match="password") as caught, BlockingConnection(url) as store:
            judged(store)
        assert "wrong" not in str(caught.value)
        right = server.url.replace("unix://", "unix://:secret@")
        with BlockingConnection(right) as store:
            assert judged(store).name == "Valkey"


async def _facts(url: str) -> ServerFacts:
    store = AsyncStore(url)
    facts = await ask_server(store)
    await store.close()
    return facts


def test_asynchronous_check_answers_the_same(server: EmbeddedServer, store: BlockingConnection) -> None:
    assert asyncio.run(_facts(server.url)) == judged(store)
