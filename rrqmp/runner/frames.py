"""Frames of the wire: four bytes of length, big-endian, then JSON; from 1 byte to 16 MiB."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

FRAME_MOST: Final = 16 * 2**20
_HEAD_BYTES: Final = 4


class BadFrame(Exception):
    """What came is no frame of this protocol; its connection is closed, and no other."""


class FrameReader:
    """Cuts a stream into the bodies of its frames; keeps at most one frame and one read."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    @property
    def kept_bytes(self) -> int:
        """How much of a frame that is not whole yet is kept."""
        return len(self._buffer)

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """Yields each body that is whole now. Raises `BadFrame` as soon as a length is out of bounds."""
        buffer = self._buffer
        buffer += chunk
        while len(buffer) >= _HEAD_BYTES:
            size = int.from_bytes(buffer[:_HEAD_BYTES], "big")
            if not 0 < size <= FRAME_MOST:
                raise BadFrame(f"a frame of {size} bytes; from 1 to {FRAME_MOST} are allowed")
            if len(buffer) < _HEAD_BYTES + size:
                return
            body = bytes(memoryview(buffer)[_HEAD_BYTES : _HEAD_BYTES + size])
            del buffer[: _HEAD_BYTES + size]
            yield body


def frame(body: bytes) -> bytes:
    """The frame of a body that is known to fit."""
    return len(body).to_bytes(_HEAD_BYTES, "big") + body
