"""Moving what has become due to the ready sets, and ending what has expired."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from rrqmp.store.keys import QueueKeys
from rrqmp.store.rules import StoreRules
from rrqmp.store.script import Call, load_script

PROMOTE_BITE: Final = 200


class PromoteReply(NamedTuple):
    """Call again while `next_due_us` is not after `now_us`, the server's clock; it counts expiries as well."""

    promoted: int
    now_us: int
    next_due_us: int | None
    expired: int


def promote(keys: QueueKeys, rules: StoreRules, *, bite: int = PROMOTE_BITE) -> Call[PromoteReply]:
    """Promotes at most `bite` due activities, the earliest first, and ends half as many that have expired."""
    return Call(load_script("promote"), keys.script_keys, (bite, rules.packed), _read)


def _read(reply: Any) -> PromoteReply:
    return PromoteReply(*reply)
