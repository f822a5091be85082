"""The judgement of a server from its INFO, without one."""

from __future__ import annotations

import pytest

from rrqmp.errors import StoreError, UnsupportedServer
from rrqmp.store.server_facts import judge_server
from rrqmp.store.url import RedisAddress

WHERE = RedisAddress(host="db")


def _info(**fields: str) -> bytes:
    told = {"redis_version": "7.0.15", "aof_enabled": "1", "maxmemory_policy": "noeviction", "role": "master"} | fields
    return b"# Server\r\n" + "".join(f"{name}:{value}\r\n" for name, value in told.items()).encode()


def test_good_server_passes_without_a_word() -> None:
    facts = judge_server(WHERE, _info())
    assert (facts.name, facts.version, facts.append_only, facts.warnings) == ("Redis", "7.0.15", True, ())


@pytest.mark.parametrize("version", ["6.2.0", "7.4.1", "8.0.0", "10.1.0"])
def test_new_enough_redis_passes(version: str) -> None:
    assert judge_server(WHERE, _info(redis_version=version)).version == version


@pytest.mark.parametrize("version", ["6.0.16", "5.0.14", "2.8.0"])
def test_old_redis_is_refused_by_its_version(version: str) -> None:
    with pytest.raises(UnsupportedServer, match=f"Redis {version} at redis://db:6379 is too old"):
        judge_server(WHERE, _info(redis_version=version))


def test_valkey_is_judged_by_its_own_version() -> None:
    valkey = {"server_name": "valkey", "redis_version": "7.2.4"}
    assert judge_server(WHERE, _info(**valkey, valkey_version="8.1.0")).name == "Valkey"
    with pytest.raises(UnsupportedServer, match="too old"):
        judge_server(WHERE, _info(**valkey, valkey_version="7.0.0"))


@pytest.mark.parametrize("policy", ["allkeys-lru", "allkeys-random", "allkeys-lfu"])
def test_eviction_of_any_key_is_refused(policy: str) -> None:
    with pytest.raises(UnsupportedServer, match=policy):
        judge_server(WHERE, _info(maxmemory_policy=policy))


def test_cluster_node_is_refused() -> None:
    with pytest.raises(UnsupportedServer, match="cluster"):
        judge_server(WHERE, _info(cluster_enabled="1"))


def test_each_weaker_promise_is_one_warning() -> None:
    facts = judge_server(WHERE, _info(maxmemory_policy="volatile-lru", aof_enabled="0", role="slave"))
    assert len(facts.warnings) == 3


def test_what_is_no_redis_is_told_so() -> None:
    with pytest.raises(StoreError):
        judge_server(WHERE, 7)  # type: ignore[arg-type]
