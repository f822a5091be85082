"""The activities that an activity has submitted."""

from __future__ import annotations

from typing import Any

from rrqmp.store.keys import QueueKeys
from rrqmp.store.script import Call, load_script


def children(keys: QueueKeys, parent: str, *, start: int = 0, most: int = 1000) -> Call[list[str]]:
    """Ids of the children in this queue, in the order of submission; ended ones are dropped some time after their end.

    Kept as long as the parent's record. `start` counts from 0: ask again from further on while `most` come.
    """
    return Call(load_script("children"), keys.script_keys, (parent, start, most), _read)


def _read(reply: Any) -> list[str]:
    return [activity_id.decode(errors="replace") for activity_id in reply]
