"""Keeping our descriptors out of the way of user code that closes, say, everything below 256."""

from __future__ import annotations

import fcntl
import os
import resource
from typing import Final

_LEAST: Final = 512


def move_high(descriptor: int) -> int:
    """Moves a descriptor to 512 or above (or to the upper half where the limit is lower), closed on exec."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    least = _LEAST if soft == resource.RLIM_INFINITY or soft > _LEAST + 64 else max(3, soft // 2)
    moved = fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, least)
    os.close(descriptor)
    return moved
