"""Why a supervisor did not come up, or must give up."""

from __future__ import annotations

from rrqmp.shared_state.exit_codes import ExitCode


class StartFailure(Exception):
    """Ends the process with `code`; the message is for people, with the remedy in it."""

    def __init__(self, code: ExitCode, message: str) -> None:
        super().__init__(message)
        self.code = code


class StopWished(Exception):
    """Somebody asked for the end before the start was done."""
