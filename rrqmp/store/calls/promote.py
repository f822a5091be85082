"""Moving what has become due to the ready sets."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from rrqmp.store.keys import QueueKeys
from rrqmp.store.rules import StoreRules
from rrqmp.store.script import Call, load_script

PROMOTE_BITE: Final = 200


class PromoteReply(NamedTuple):
    """Call again while `promoted` is the bite. `now_us` is the server's clock, against which `next_due_us` counts."""

    promoted: int
    now_us: int
    next_due_us: int | None


def promote(keys: QueueKeys, rules: StoreRules, *, bite: int = PROMOTE_BITE) -> Call[PromoteReply]:
    """Promotes at most `bite` due activities, the earliest first."""
    return Call(load_script("promote"), keys.script_keys, (bite, rules.packed), _read)


def _read(reply: Any) -> PromoteReply:
    return PromoteReply(*reply)
