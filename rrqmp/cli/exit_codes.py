"""What the commands exit with. Public: scripts and unit files rely on these numbers (sysexits.h has the large ones)."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """The ways in which a command ends."""

    OK = 0
    FAULT = 1
    USAGE = 2
    STORE_UNAVAILABLE = 69
    BOOT_LOOP = 70
    CONFIGURATION = 78
    INTERRUPTED = 130
