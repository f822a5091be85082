"""All that a queue holds, read in one step by a script of the tests' own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from rrqmp.store.connection import BlockingConnection
from rrqmp.store.keys import QueueKeys
from rrqmp.store.script import Call, make_script

_DUMP = make_script(
    "explorer_dump",
    """
local root, found = string.sub(KEYS[1], 1, -5), {}
for i, key in ipairs(redis.call('KEYS', root .. '*')) do
  local kind = redis.call('TYPE', key).ok
  local value
  if kind == 'hash' then value = redis.call('HGETALL', key)
  elseif kind == 'zset' then value = redis.call('ZRANGE', key, 0, -1, 'WITHSCORES')
  elseif kind == 'list' then value = redis.call('LRANGE', key, 0, -1)
  elseif kind == 'set' then value = redis.call('SMEMBERS', key)
  else value = {redis.call('GET', key)} end
  found[i] = {string.sub(key, #root + 1), kind, value, redis.call('PTTL', key)}
end
return found
""",
)


class Statement(NamedTuple):
    """What a slot field says."""

    inc: int
    seq: int
    ids: tuple[str, ...]


@dataclass(slots=True)
class Snapshot:
    """One moment of a queue. `foreign` are ids whose record is no hash."""

    records: dict[str, Mapping[str, str]] = field(default_factory=dict)
    foreign: set[str] = field(default_factory=set)
    ready: dict[str, dict[str, float]] = field(default_factory=dict)
    wake: dict[str, int] = field(default_factory=dict)
    slots: dict[tuple[str, str], Statement] = field(default_factory=dict)
    cancels: dict[str, Mapping[str, str]] = field(default_factory=dict)
    children: dict[str, dict[str, float]] = field(default_factory=dict)
    # Milliseconds that a key has left; those without an end are not in it.
    lives: dict[str, int] = field(default_factory=dict)
    scores: dict[str, dict[str, float]] = field(default_factory=dict)
    hashes: dict[str, Mapping[str, str]] = field(default_factory=dict)
    paused: set[str] = field(default_factory=set)

    def zset(self, name: str) -> dict[str, float]:
        return self.scores.get(name, {})

    def numbers(self, name: str) -> dict[str, int]:
        return {key: int(value) for key, value in self.hashes.get(name, {}).items()}

    def is_claimable(self, activity_type: str) -> bool:
        if activity_type not in self.zset("heads") or {activity_type, "*"} & self.paused:
            return False
        limit = self.numbers("limits").get(activity_type)
        return limit is None or self.numbers("active").get(activity_type, 0) < limit


def take_snapshot(store: BlockingConnection, keys: QueueKeys) -> Snapshot:
    snapshot = Snapshot()
    for row in store.run(Call(_DUMP, keys.script_keys, (), _as_is)):
        name = row[0].decode()
        _place(snapshot, name, row[1].decode(), [item.decode() for item in row[2]])
        if row[3] >= 0:
            snapshot.lives[name] = row[3]
    return snapshot


def _place(snapshot: Snapshot, name: str, kind: str, value: list[str]) -> None:
    family, colon, rest = name.partition(":")
    pairs = dict(zip(value[::2], value[1::2], strict=False))
    if family == "activity":
        if kind == "hash":
            snapshot.records[rest] = pairs
        else:
            snapshot.foreign.add(rest)
    elif family == "ready":
        snapshot.ready[rest] = {member: float(score) for member, score in pairs.items()}
    elif family == "children":
        snapshot.children[rest] = {member: float(score) for member, score in pairs.items()}
    elif family == "wake":
        snapshot.wake[rest] = len(value)
    elif family == "node" and colon:
        for slot, text in pairs.items():
            order, *ids = text.split()
            inc, seq = order.partition("!")[0].split(".")
            snapshot.slots[rest, slot] = Statement(int(inc), int(seq), tuple(ids))
    elif family == "cancels":
        snapshot.cancels[rest] = pairs
    elif kind == "zset":
        snapshot.scores[name] = {member: float(score) for member, score in pairs.items()}
    elif kind == "hash":
        snapshot.hashes[name] = pairs
    elif name == "paused":
        snapshot.paused = set(value)


def _as_is(reply: Any) -> Any:
    return reply
