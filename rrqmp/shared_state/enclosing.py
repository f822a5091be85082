"""Bodies beside packets: what is too large for one goes into a memory file, and its descriptor travels along.

A packet of a UNIX socket is bounded by the socket's send buffer, mostly 208 KiB; a job of a runner may have 16 MiB.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

# Beside another order that is still unread, such as a drain, it must still find room.
_INLINE_MOST: Final = 64 * 1024


@contextmanager
def enclosed(body: bytes) -> Iterator[tuple[bytes, tuple[int, ...]]]:
    """What to put into the packet, and the descriptors to send with it, for as long as the block lasts."""
    if len(body) <= _INLINE_MOST:
        yield body, ()
        return
    descriptor = os.memfd_create("rrqmp-body", os.MFD_CLOEXEC)
    try:
        rest = memoryview(body)
        while rest:
            rest = rest[os.write(descriptor, rest) :]
        yield b"", (descriptor,)
    finally:
        os.close(descriptor)


def disclose(body: bytes, descriptors: Sequence[int], most: int) -> bytes:
    """The body that a packet brought, at most `most` bytes and one more; closes the descriptors."""
    try:
        if not descriptors:
            return body
        # Positioned reads: the offset is shared with whoever still holds the file.
        return os.pread(descriptors[0], min(os.fstat(descriptors[0]).st_size, most + 1), 0)
    finally:
        for descriptor in descriptors:
            os.close(descriptor)
