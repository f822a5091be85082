"""What happens to the dead: revived, discarded, trimmed. `trim` also forgets what has ended and lapsed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from rrqmp.store.keys import QueueKeys
from rrqmp.store.rules import StoreRules
from rrqmp.store.script import Call, load_script

REVIVE_BITE: Final = 100
TRIM_BITE: Final = 100


class TrimReply(NamedTuple):
    """How many index entries went; call again while either is the bite."""

    ended: int
    dead: int


def revive(keys: QueueKeys, rules: StoreRules, ids: Sequence[str]) -> Call[int]:
    """Makes dead letters pending again, as if new; answers how many of the ids (`REVIVE_BITE` at most) were dead."""
    return Call(load_script("revive"), keys.script_keys, (rules.packed, *ids), int)


def discard(keys: QueueKeys, ids: Sequence[str]) -> Call[int]:
    """Deletes dead letters with their records; answers how many of the ids (`REVIVE_BITE` at most) were dead."""
    return Call(load_script("discard"), keys.script_keys, tuple(ids), int)


def trim(
    keys: QueueKeys, *, bite: int = TRIM_BITE, dead_limit: int = 0, dead_older_than_us: int = 0
) -> Call[TrimReply]:
    """Forgets ended activities whose records lapsed, and the oldest dead letters past the limits (0 is no limit)."""
    return Call(load_script("trim"), keys.script_keys, (bite, dead_limit, dead_older_than_us), _read)


def _read(reply: Any) -> TrimReply:
    return TrimReply(*reply)
