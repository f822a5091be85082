"""What a running attempt leaves for others: a checkpoint for its successors, progress for whoever looks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from rrqmp.store.keys import QueueKeys
from rrqmp.store.script import Argument, Call, load_script

PROGRESS_BITE: Final = 100


def save_checkpoint(keys: QueueKeys, activity_id: str, token: str, data: bytes) -> Call[bool]:
    """Stores `data`, which the caller keeps small, for later attempts; false where the token's attempt has ended."""
    return Call(load_script("save_checkpoint"), keys.script_keys, (activity_id, token, data), bool)


def read_checkpoint(keys: QueueKeys, activity_id: str) -> Call[bytes]:
    """The last checkpoint of any attempt; empty where there is none, or the activity has ended."""
    return Call(load_script("read_checkpoint"), keys.script_keys, (activity_id,), _read_checkpoint)


def publish_progress(keys: QueueKeys, items: Sequence[tuple[str, str, bytes]]) -> Call[int]:
    """Stores (id, token, progress) of up to `PROGRESS_BITE` running attempts; how many were, and are stored."""
    arguments: list[Argument] = []
    for item in items:
        arguments += item
    return Call(load_script("progress"), keys.script_keys, arguments, int)


def _read_checkpoint(reply: Any) -> bytes:
    return reply or b""
