"""The end of a whole pool, as its futures tell it."""

from __future__ import annotations

from concurrent.futures import BrokenExecutor

from rrqmp.errors import WorkerError


class PoolBroken(WorkerError, BrokenExecutor):
    """The pool cannot go on: its supervisor is gone, did not start, or its initializer failed. A crash of one call is
    that call's alone and never this."""
