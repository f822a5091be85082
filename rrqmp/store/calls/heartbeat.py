"""The sign of life of a node, which also repairs what killed workers took along."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

from rrqmp.store.calls.cancel import CancelOrder, read_cancel_order
from rrqmp.store.keys import QueueKeys
from rrqmp.store.rules import StoreRules
from rrqmp.store.script import Argument, Call, load_script


class HeartbeatReply(NamedTuple):
    """`fenced`: kill the workers, keep nothing, join under a new boot. `expired_nodes` are ready to be reclaimed.

    `cancels` maps the ids that this node is asked to cancel to their orders.
    """

    fenced: bool
    now_us: int
    expired_nodes: list[str]
    next_due_us: int | None
    cancels: dict[str, CancelOrder]


def heartbeat(
    keys: QueueKeys,
    rules: StoreRules,
    node: str,
    *,
    joining: bool,
    slots: Collection[int],
    done_cancels: Sequence[str] = (),
) -> Call[HeartbeatReply]:
    """Renews the lease. `slots` are those that live or have a report pending: what others hold goes back.

    `joining` is for the first beat under a new boot. Every third of the lease, for each queue served.
    """
    arguments: list[Argument] = [node, int(joining), rules.packed, len(slots), *slots, *done_cancels]
    return Call(load_script("heartbeat"), keys.script_keys, arguments, _read)


def wake(keys: QueueKeys, types: Sequence[str]) -> Call[None]:
    """Repairs the wake-up of these types at once: for a supervisor that has seen an idle worker leave or die."""
    return Call(load_script("wake"), keys.script_keys, tuple(types), _read_nothing)


def _read(reply: Any) -> HeartbeatReply:
    fenced, now_us, expired, next_due_us, cancels = reply
    pairs = zip(cancels[::2], cancels[1::2], strict=True)
    return HeartbeatReply(
        bool(fenced),
        now_us,
        [node.decode(errors="surrogateescape") for node in expired],
        next_due_us,
        {activity_id.decode(errors="replace"): read_cancel_order(order) for activity_id, order in pairs},
    )


def _read_nothing(reply: Any) -> None:
    return None
