"""How a supervisor's process ends, for service managers and for `engine.start()`."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """Public: a change is a breaking one."""

    STOPPED = 0
    BUG = 1
    USAGE = 2
    REDIS_UNREACHABLE = 69
    BOOT_LOOP = 70
    CONFIGURATION = 78

    @property
    def meaning(self) -> str:
        """The code in a few words."""
        return _MEANINGS[self]


_MEANINGS = {
    ExitCode.STOPPED: "stopped as asked",
    ExitCode.BUG: "an unexpected fault; the log has it",
    ExitCode.USAGE: "a wrong option or address",
    ExitCode.REDIS_UNREACHABLE: "Redis was out of reach",
    ExitCode.BOOT_LOOP: "workers or the template died again and again before they could work",
    ExitCode.CONFIGURATION: "a wrong setting, or an application that could not be imported",
}
