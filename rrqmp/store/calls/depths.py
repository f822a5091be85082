"""How full a queue is, in totals and in bites: for a gauge that is read every few seconds."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from rrqmp.store.keys import QueueKeys
from rrqmp.store.rules import StoreRules
from rrqmp.store.script import Call, load_script

BEGIN: Final = "0"
_BITE: Final = 500


class Depths(NamedTuple):
    """One bite. `waiting` is to be summed until `cursor` is `BEGIN` again; the rest stands in the first bite only.

    `oldest_us` is the age of the one that has waited longest among those that are next in line, one of each type.
    """

    cursor: str
    waiting: int
    running: int
    scheduled: int
    dead_letters: int
    oldest_us: int


def depths(keys: QueueKeys, rules: StoreRules, cursor: str = BEGIN) -> Call[Depths]:
    """The bite at the cursor."""
    return Call(load_script("depths"), keys.script_keys, (cursor, _BITE, rules.packed), _read)


def _read(reply: Any) -> Depths:
    return Depths(reply[0].decode(), *reply[1:])
