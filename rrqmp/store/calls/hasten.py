"""What somebody waits for is not to stand behind what came later."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from rrqmp.store.keys import QueueKeys
from rrqmp.store.script import Call, load_script

HASTEN_BITE: Final = 200


def hasten(keys: QueueKeys, waiter: str, activity_ids: Sequence[str]) -> Call[int]:
    """Puts these, where they are ready, in front of all that became ready after the waiter; how many that were.

    Nothing where the waiter does not run, or in another queue; at most `HASTEN_BITE` ids.
    """
    return Call(load_script("hasten"), keys.script_keys, (waiter, *activity_ids), _read)


def awaited(keys: QueueKeys, types: Sequence[str], waiters: Sequence[str]) -> Call[bool]:
    """Whether one of these types has something ready in front of one of these running activities."""
    return Call(load_script("awaited"), keys.script_keys, (len(types), *types, *waiters), _read_truth)


def _read(reply: Any) -> int:
    return int(reply)


def _read_truth(reply: Any) -> bool:
    return bool(reply)
