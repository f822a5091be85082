"""What runs the calls of `PoolExecutor`s: `rrqmp run --app rrqmp.pool.application:engine`, with `RRQMP_KEY` set.

Its workers take one call at a time and run it once: of a batch, what has run and is not recorded yet would run again
if a later one crashed the process, and a call whose process died may have done half of its work.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from rrqmp.handling.application import CarriedApplication
from rrqmp.handling.registration import register
from rrqmp.handling.registry import Registry
from rrqmp.pool.handler import CallHandler, Preparation
from rrqmp.pool.signing import check_key
from rrqmp.settings.resolution import SettingsInputs

# What is refused above it would not fit the memory of the server and of both sides, several times over.
DEFAULT_LIMIT_BYTES: Final = 64 * 2**20
ONCE: Final[Mapping[str, object]] = {"claim_limit": 1, "max_crashes": 1, "max_losses": 1}


def pool_application(key: bytes, limit: int, preparation: Preparation | None = None) -> CarriedApplication:
    """The application of workers that hold the key and send results up to the limit."""
    registry = Registry()
    registry.add(register(None, CallHandler(key, limit, preparation), {}))
    return CarriedApplication(registry, {**ONCE, "payload_limit": limit}, None)


def __getattr__(name: str) -> Any:
    # Made when it is asked for: without a key this module can be imported, and not be run.
    if name != "engine":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    resolved = SettingsInputs().resolve()
    limit = resolved.settings.payload_limit
    if resolved.sources["payload_limit"] == "default":
        limit = DEFAULT_LIMIT_BYTES
    return pool_application(check_key(resolved.settings.key), limit)
