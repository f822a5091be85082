"""Taking running activities back: from a stopped or dead slot (release), from a lost node (reclaim)."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Any, Final, NamedTuple

from rrqmp.model.attempt import Ending
from rrqmp.store.calls.cycle import Verdict
from rrqmp.store.keys import QueueKeys
from rrqmp.store.rules import StoreRules
from rrqmp.store.script import Argument, Call, load_script

MAX_RELEASES: Final = 50
RECLAIM_BITE: Final = 50
_VERDICTS: Final = {verdict.value.encode(): verdict for verdict in Verdict}


class ReclaimCause(StrEnum):
    """`loss`: the lease has run out. `restart`: the caller holds the lock that proves the node's processes dead."""

    LOSS = "loss"
    RESTART = "restart"


class ReclaimReply(NamedTuple):
    """`allowed` is false where the lease still holds; then nothing was done. Call again while `left` is true.

    `dead` are those that have failed for good by it.
    """

    allowed: bool
    taken: int
    left: bool
    dead: list[str]


def release(
    keys: QueueKeys, rules: StoreRules, node: str, slot: int, items: Sequence[tuple[str, str]]
) -> Call[list[Verdict]]:
    """Gives back (id, token) pairs to the head of the queue, no attempt counted; at most `MAX_RELEASES`.

    Only after the process was reaped, or for what it had not started.
    """
    arguments: list[Argument] = [node, slot, rules.packed]
    for item in items:
        arguments += item
    return Call(load_script("release"), keys.script_keys, arguments, _read_verdicts, True)


def reclaim(
    keys: QueueKeys, rules: StoreRules, node: str, cause: ReclaimCause, *, bite: int = RECLAIM_BITE
) -> Call[ReclaimReply]:
    """Fences the node for good and takes what its slots hold, slot after slot, until it is forgotten."""
    ending = Ending.LOSS if cause is ReclaimCause.LOSS else Ending.RESTART
    # A stranger's name among the nodes has to find its way back, or it would be reported for ever.
    name = node.encode(errors="surrogateescape")
    return Call(load_script("reclaim"), keys.script_keys, (name, ending, bite, rules.packed), _read_reclaim, True)


def _read_verdicts(reply: Any) -> list[Verdict]:
    return [_VERDICTS[verdict] for verdict in reply]


def _read_reclaim(reply: Any) -> ReclaimReply:
    allowed, taken, left, dead = reply
    return ReclaimReply(bool(allowed), taken, bool(left), [activity_id.decode() for activity_id in dead])
