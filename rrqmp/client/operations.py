"""What an operator may ask of a queue, as steps: the one description behind the blocking and the asyncio queue."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from rrqmp.client.ending import not_found
from rrqmp.client.listing import types_with_work
from rrqmp.client.steps import Steps, single
from rrqmp.errors import ConfigurationError
from rrqmp.model.activity import ActivityRecord
from rrqmp.model.gates import QueueGates
from rrqmp.model.ids import check_id_text
from rrqmp.model.names import check_activity_type
from rrqmp.model.node import NodeView, decode_description
from rrqmp.model.stats import QueueStats
from rrqmp.store.calls import dead_letters, gates
from rrqmp.store.calls.children import children as children_call
from rrqmp.store.calls.heartbeat import wake
from rrqmp.store.calls.nodes import ABOUTS_BITE, NodeLease, abouts, nodes
from rrqmp.store.calls.show import show
from rrqmp.store.calls.stats import stats
from rrqmp.store.keys import QueueKeys
from rrqmp.store.rules import StoreRules

_WAKE_BITE: Final = 100
_CHILDREN_BITE: Final = 1000


def get_stats(keys: QueueKeys) -> Steps[QueueStats]:
    """The counts of this moment."""
    return single(stats(keys))


def get(keys: QueueKeys, activity_id: str) -> Steps[ActivityRecord]:
    """One activity; raises `ActivityNotFound`."""
    record: ActivityRecord | None = yield show(keys, check_id_text(activity_id))
    if record is None:
        raise not_found(keys, activity_id)
    return record


def revive(keys: QueueKeys, rules: StoreRules, activity_ids: Sequence[str]) -> Steps[int]:
    """Makes these dead letters pending again, in bites; how many were dead."""
    revived = 0
    activity_ids = [check_id_text(one) for one in activity_ids]
    for start in range(0, len(activity_ids), dead_letters.REVIVE_BITE):
        revived += yield dead_letters.revive(keys, rules, activity_ids[start : start + dead_letters.REVIVE_BITE])
    return revived


def discard(keys: QueueKeys, activity_ids: Sequence[str]) -> Steps[int]:
    """Deletes these dead letters, in bites; how many were dead."""
    discarded = 0
    activity_ids = [check_id_text(one) for one in activity_ids]
    for start in range(0, len(activity_ids), dead_letters.REVIVE_BITE):
        discarded += yield dead_letters.discard(keys, activity_ids[start : start + dead_letters.REVIVE_BITE])
    return discarded


def pause(keys: QueueKeys, activity_type: str | None) -> Steps[None]:
    """Stops claims of a type, or of all."""
    return single(gates.pause(keys, _type_or_all(activity_type)))


def resume(keys: QueueKeys, activity_type: str | None) -> Steps[None]:
    """Allows claims again, and wakes workers for every type that has work."""
    yield gates.resume(keys, _type_or_all(activity_type))
    if activity_type is None:
        # The script itself wakes for the first hundred types.
        types = yield from types_with_work(keys)
        for start in range(0, len(types), _WAKE_BITE):
            yield wake(keys, types[start : start + _WAKE_BITE])


def children(keys: QueueKeys, activity_id: str) -> Steps[tuple[str, ...]]:
    """All that is kept of what an activity has submitted to this queue, in order."""
    check_id_text(activity_id)
    found: list[str] = []
    more = True
    while more:
        bite = yield children_call(keys, activity_id, start=len(found), most=_CHILDREN_BITE)
        found += bite
        more = len(bite) == _CHILDREN_BITE
    return tuple(found)


def limit(keys: QueueKeys, activity_type: str, most: int | None) -> Steps[None]:
    """Sets or takes away how many of a type may run at once."""
    return single(gates.limit(keys, check_activity_type(activity_type), None if most is None else _check_most(most)))


def get_gates(keys: QueueKeys) -> Steps[QueueGates]:
    """What is paused and limited."""
    return single(gates.gates(keys))


def workers(keys: QueueKeys) -> Steps[tuple[NodeView, ...]]:
    """The nodes, by name."""
    leases = sorted((yield nodes(keys)))
    views: list[NodeView] = []
    for start in range(0, len(leases), ABOUTS_BITE):
        bite = leases[start : start + ABOUTS_BITE]
        told = yield abouts(keys, [lease.node for lease in bite])
        views += [_view(lease, about) for lease, about in zip(bite, told, strict=True)]
    return tuple(views)


def _check_most(most: object) -> int:
    if not isinstance(most, int) or isinstance(most, bool) or most < 0:
        raise ConfigurationError(f"limit is {most!r}: give a number of activities, 0 or more, or None for no limit")
    return most


def _view(lease: NodeLease, about: bytes | None) -> NodeView:
    name, _, boot = lease.node.rpartition("@")
    try:
        described = None if about is None else decode_description(about)
    except msgspec.MsgspecError:
        # Written by another version, or by a stranger.
        described = None
    left = None if lease.left_us is None else max(0.0, lease.left_us / 1_000_000)
    return NodeView(name=name or lease.node, boot=boot, lease_seconds=left, described=described)


def _type_or_all(activity_type: str | None) -> str:
    return gates.ALL_TYPES if activity_type is None else check_activity_type(activity_type)
