"""Parcels that only holders of the key can make: what is not signed for this very use is refused unread.

The signature covers what the parcel is (a call, or a result), its queue, its activity's id, the time until which it
counts, and every byte that it carries; so nothing can be passed off as something else, nor come again elsewhere.
"""

from __future__ import annotations

import hmac
import struct
import time
from enum import StrEnum
from typing import Final

from rrqmp.errors import ConfigurationError, SignatureRefused
from rrqmp.settings.values import LEAST_KEY_BYTES

_VERSION: Final = 1
# Version, bytes of padding, signature, time of expiry: a multiple of three, as the whole is.
_HEAD: Final = struct.Struct(">BB32sQ")
_SIGNED: Final = struct.Struct(">BBQ")
_LENGTH: Final = struct.Struct(">I")
_DERIVED_FOR: Final = b"rrqmp pool 1"
_DIGEST: Final = "sha256"


class Direction(StrEnum):
    """Which way a parcel goes; a result can never stand for a call."""

    CALL = "rrqmp.pool.call"
    RESULT = "rrqmp.pool.result"


class Signer:
    """Seals and opens parcels under one key. Thread-safe."""

    __slots__ = ("_key", "_queue")

    def __init__(self, key: object, queue: str) -> None:
        # The deployment's key may serve other purposes too; what is signed here is of use nowhere else.
        self._key = hmac.digest(check_key(key), _DERIVED_FOR, _DIGEST)
        self._queue = queue

    def seal(self, direction: Direction, activity_id: str, body: bytes, *, valid_seconds: float) -> bytes:
        """The body and its signature."""
        expires_ms = round((time.time() + valid_seconds) * 1000)
        # As base64 it then has no letter that could be another one and mean the same.
        padding = -len(body) % 3
        padded = body + bytes(padding)
        mac = self._mac(direction, activity_id, padding, expires_ms, padded)
        return _HEAD.pack(_VERSION, padding, mac, expires_ms) + padded

    def open(self, direction: Direction, activity_id: str, parcel: bytes) -> bytes:
        """The body of a parcel sealed for this direction, queue and id that still counts, or `SignatureRefused`."""
        what = f"the {direction.name.lower()} of {activity_id}"
        if len(parcel) < _HEAD.size:
            raise SignatureRefused(f"{what} is not signed")
        version, padding, mac, expires_ms = _HEAD.unpack_from(parcel)
        padded = parcel[_HEAD.size :]
        expected = self._mac(direction, activity_id, padding, expires_ms, padded)
        if not hmac.compare_digest(mac, expected) or version != _VERSION:
            raise SignatureRefused(
                f"{what} is not signed under this key, or not for this use, or was altered; give clients and workers "
                "the same RRQMP_KEY"
            )
        late = time.time() - expires_ms / 1000
        if late > 0:
            raise SignatureRefused(f"{what} has expired {late:.0f} s ago; raise valid_for, or run more workers")
        return padded[: len(padded) - padding]

    def _mac(self, direction: Direction, activity_id: str, padding: int, expires_ms: int, padded: bytes) -> bytes:
        mac = hmac.new(self._key, _SIGNED.pack(_VERSION, padding, expires_ms), _DIGEST)
        for word in (direction.value, self._queue, activity_id):
            encoded = word.encode()
            # With its length before it, no word can lend a letter to its neighbour.
            mac.update(_LENGTH.pack(len(encoded)) + encoded)
        mac.update(padded)
        return mac.digest()


def text_bytes(parcel: bytes) -> int:
    """Its size as it is sent: base64 between quotes."""
    return len(parcel) // 3 * 4 + 2


def check_key(key: object) -> bytes:
    """The key as bytes; raises `ConfigurationError`, which never shows it."""
    if not key:
        raise ConfigurationError(
            "calls are signed and there is no key: set RRQMP_KEY to one secret for clients and workers, or give key="
        )
    if not isinstance(key, str | bytes):
        raise ConfigurationError(f"key is a {type(key).__name__}: give a string or bytes")
    encoded = key.encode() if isinstance(key, str) else bytes(key)
    if len(encoded) < LEAST_KEY_BYTES:
        raise ConfigurationError(
            f"the key has {len(encoded)} bytes: give at least {LEAST_KEY_BYTES}, such as the output of: "
            "python -c 'import secrets; print(secrets.token_hex(32))'"
        )
    return encoded
