"""The nodes of a queue: their leases, and what they tell of themselves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from rrqmp.store.keys import QueueKeys
from rrqmp.store.script import Call, load_script

ABOUTS_BITE: Final = 16


class NodeLease(NamedTuple):
    """`left_us` is negative where the lease has run out, `None` where the node was fenced."""

    node: str
    left_us: int | None


def describe(keys: QueueKeys, node: str, description: bytes, time_to_live_ms: int) -> Call[None]:
    """Leaves what a node tells of itself, for so long."""
    return Call(load_script("describe"), keys.script_keys, (node, description, time_to_live_ms), _read_nothing)


def nodes(keys: QueueKeys) -> Call[list[NodeLease]]:
    """All nodes that the queue knows, at most 1000."""
    return Call(load_script("nodes"), keys.script_keys, (), _read_nodes)


def abouts(keys: QueueKeys, names: Sequence[str]) -> Call[list[bytes | None]]:
    """What each node (`ABOUTS_BITE` at most) told of itself; `None` where that has lapsed."""
    words = tuple(name.encode(errors="surrogateescape") for name in names)
    return Call(load_script("abouts"), keys.script_keys, words, list)


def _read_nodes(reply: Any) -> list[NodeLease]:
    now_us, *found = reply
    leases = []
    for node, expiry in zip(found[::2], found[1::2], strict=True):
        expires_us = int(float(expiry))
        leases.append(NodeLease(node.decode(errors="surrogateescape"), expires_us - now_us if expires_us else None))
    return leases


def _read_nothing(reply: Any) -> None:
    return None
