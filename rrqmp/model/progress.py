"""How far a running activity says it is: what its handler reports, the supervisor publishes and a client reads."""

from __future__ import annotations

from typing import Final

import msgspec

MESSAGE_BYTES_MOST: Final = 256
WHOLE: Final = 1_000_000


class Progress(msgspec.Struct, frozen=True, omit_defaults=True):
    """`fraction` from 0 to 1, or `None` where only words were given; `at` is seconds since 1970."""

    fraction: float | None = None
    message: str = ""
    at: float = 0.0


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Progress)


def encode_progress(progress: Progress) -> bytes:
    """The stored form."""
    return _encoder.encode(progress)


def decode_progress(stored: bytes) -> Progress:
    """Reads the stored form; raises `msgspec.MsgspecError` on foreign bytes."""
    return _decoder.decode(stored)


def millionths(fraction: object) -> int:
    """A fraction from 0 to 1 in millionths; raises `ValueError` outside."""
    # Written so that NaN fails too.
    if not isinstance(fraction, int | float) or isinstance(fraction, bool) or not 0 <= fraction <= 1:
        raise ValueError(f"progress is {fraction!r}: give a fraction from 0 to 1")
    return round(fraction * WHOLE)


def cut_message(message: str) -> bytes:
    """At most 256 bytes of it, whole characters; a long word about progress is no reason to fail an activity."""
    encoded = message.encode("utf-8", "replace")
    if len(encoded) <= MESSAGE_BYTES_MOST:
        return encoded
    return encoded[:MESSAGE_BYTES_MOST].decode("utf-8", "ignore").encode()
