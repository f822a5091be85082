"""What is asked of a server before work begins: is it there, may we enter, and can it keep the promises."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Protocol

from rrqmp.errors import StoreError, UnsupportedServer
from rrqmp.store.script import Argument
from rrqmp.store.url import RedisAddress

_OLDEST_REDIS: Final = (6, 2)
_OLDEST_VALKEY: Final = (7, 2)


class _Commander(Protocol):
    @property
    def address(self) -> RedisAddress: ...
    async def command(self, *words: Argument) -> Any: ...


@dataclass(frozen=True, slots=True)
class ServerFacts:
    """`name` is Redis or Valkey. Each of `warnings` is a sentence on a promise that is weaker with this server."""

    name: str
    version: str
    append_only: bool
    warnings: tuple[str, ...]


async def ask_server(store: _Commander) -> ServerFacts:
    """Asks and judges; raises `UnsupportedServer`, `StoreUnavailable`, or `StoreError` where the password is wrong."""
    return judge_server(store.address, await store.command("INFO"))


def judge_server(address: RedisAddress, info: bytes) -> ServerFacts:
    """Reads the text of INFO; raises `UnsupportedServer` with the remedy."""
    told = _fields(info)
    name, version, oldest = _identity(told)
    if _numbers(version) < oldest:
        wanted = ".".join(map(str, oldest))
        raise UnsupportedServer(
            f"{name} {version} at {address} is too old: rrqmp needs {name} {wanted} or later "
            "(Redis from 6.2, Valkey from 7.2)"
        )
    if told.get("cluster_enabled") == "1":
        raise UnsupportedServer(f"{name} at {address} is a cluster node: give the URL of a server that is no cluster")
    policy = told.get("maxmemory_policy", "noeviction")
    if policy.startswith("allkeys-"):
        raise UnsupportedServer(
            f"{name} at {address} evicts any key when it is full (maxmemory-policy {policy}), so activities would be "
            "lost: run CONFIG SET maxmemory-policy noeviction"
        )
    append_only = told.get("aof_enabled") == "1"
    return ServerFacts(name, version, append_only, _warnings(name, policy, append_only, told))


def _fields(info: bytes) -> dict[str, str]:
    try:
        lines = info.decode(errors="replace").splitlines()
    except AttributeError:
        raise StoreError(f"INFO answered {info!r}: this is no Redis server") from None
    return dict(line.split(":", 1) for line in lines if ":" in line and not line.startswith("#"))


def _identity(told: dict[str, str]) -> tuple[str, str, tuple[int, int]]:
    if told.get("server_name") == "valkey" or "valkey_version" in told:
        return "Valkey", told.get("valkey_version", "0"), _OLDEST_VALKEY
    return "Redis", told.get("redis_version", "0"), _OLDEST_REDIS


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".")[:2] if part.isdigit())


def _warnings(name: str, policy: str, append_only: bool, told: dict[str, str]) -> tuple[str, ...]:
    warnings = []
    if policy.startswith("volatile-"):
        warnings.append(
            f"{name} may evict results before their time to live when it is full (maxmemory-policy {policy})"
        )
    if not append_only:
        warnings.append(f"{name} keeps no append-only file: what was accepted is lost with the server")
    if told.get("role", "master") not in ("master", "primary"):
        warnings.append(f"{name} is a replica: writes fail until it is promoted")
    return tuple(warnings)
