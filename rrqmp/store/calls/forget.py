"""Giving back the memory of what has ended, once its outcome is in the hands of the only one who wants it."""

from __future__ import annotations

from collections.abc import Sequence

from rrqmp.store.keys import QueueKeys
from rrqmp.store.script import Call, load_script

FORGET_BITE = 100


def forget(keys: QueueKeys, ids: Sequence[str]) -> Call[int]:
    """Empties the records of those ids (`FORGET_BITE` at most) that have completed or were cancelled."""
    return Call(load_script("forget"), keys.script_keys, tuple(ids), int)
