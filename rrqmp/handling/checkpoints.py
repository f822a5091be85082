"""What a checkpoint may be: JSON of at most 64 KiB, kept over the attempts of its activity."""

from __future__ import annotations

from typing import Any, Final

from rrqmp.errors import PayloadTooLarge
from rrqmp.model.codec import decode, encode

CHECKPOINT_BYTES_MOST: Final = 64 * 1024
_ANY_SIZE: Final = 1 << 62


def encode_checkpoint(state: Any) -> bytes:
    """The stored form; raises `InvalidPayload` with the path to the fault, `PayloadTooLarge` above 64 KiB."""
    encoded = encode(state, limit=_ANY_SIZE, what="checkpoint")
    if len(encoded) > CHECKPOINT_BYTES_MOST:
        raise PayloadTooLarge(
            f"checkpoint: {len(encoded)} bytes of JSON, at most {CHECKPOINT_BYTES_MOST} (64 KiB); "
            "store the bulk elsewhere and keep its address here"
        )
    return encoded


def decode_checkpoint(stored: bytes) -> Any:
    """What was saved; `None` where nothing was."""
    return decode(stored) if stored else None
