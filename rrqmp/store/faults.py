"""What a failed call means: whether it is sent again, and what the caller is told otherwise."""

from __future__ import annotations

import random
from collections.abc import Iterator
from enum import Enum
from typing import Final

from redis import exceptions

from rrqmp.errors import QueueFull, StoreError, StoreUnavailable
from rrqmp.store.url import RedisAddress


class Remedy(Enum):
    """What a connection does about an error."""

    RECONNECT = 1
    LOAD_SCRIPT = 2
    WAIT = 3
    GIVE_UP = 4


# Said by a server that is about to be well again: a failover under way, a slot on the move, a script that runs long.
_PASSING: Final = ("LOADING", "BUSY", "TRYAGAIN", "CLUSTERDOWN", "MASTERDOWN", "UNBLOCKED", "NOREPLICAS")
_ELSEWHERE: Final = ("READONLY",)
# The library's asynchronous connection makes a plain ConnectionError of these.
_REFUSALS: Final = ("Authentication required", "WRONGPASS", "invalid username-password pair", "invalid password")
_FIRST_PAUSE_SECONDS: Final = 0.025
_LONGEST_PAUSE_SECONDS: Final = 1.0


def remedy_for(error: Exception) -> Remedy:
    """Sorts an error of the library; what it does not know is the caller's."""
    if isinstance(error, exceptions.NoScriptError):
        return Remedy.LOAD_SCRIPT
    text = str(error)
    if _is_refusal(error, text):
        return Remedy.GIVE_UP
    if isinstance(error, exceptions.BusyLoadingError):
        return Remedy.WAIT
    if isinstance(error, exceptions.ConnectionError | exceptions.TimeoutError | OSError):
        return Remedy.RECONNECT
    if isinstance(error, exceptions.ReadOnlyError) or text.startswith(_ELSEWHERE):
        # The address may lead to the new primary by now.
        return Remedy.RECONNECT
    if isinstance(error, exceptions.TryAgainError | exceptions.ClusterDownError | exceptions.MasterDownError):
        return Remedy.WAIT
    if text.startswith(_PASSING) or "non local key" in text:
        return Remedy.WAIT
    return Remedy.GIVE_UP


def translate(error: Exception, address: RedisAddress) -> Exception:
    """The error as rrqmp's own: what callers may catch."""
    text = str(error)
    if isinstance(error, exceptions.OutOfMemoryError) or text.startswith("OOM"):
        return QueueFull(
            f"Redis at {address} is out of memory and takes no new activity; free memory or raise maxmemory"
        )
    if _is_refusal(error, text) or isinstance(error, exceptions.NoPermissionError):
        return StoreError(f"Redis at {address} refuses this user or password: {text}; check the URL")
    if "LAYOUT" in text.split(":")[0]:
        return StoreError(f"The queue at {address} was written by another version of rrqmp ({text}); use that version")
    if isinstance(error, exceptions.ConnectionError | exceptions.TimeoutError | OSError):
        return StoreUnavailable(f"Redis at {address} does not answer: {text}; is it running, and is the URL right?")
    return StoreError(f"Redis at {address} answered: {text}")


def _is_refusal(error: Exception, text: str) -> bool:
    return isinstance(error, exceptions.AuthenticationError) or text.startswith(_REFUSALS)


def pauses() -> Iterator[float]:
    """Seconds between resends: none before the first, then doubling, spread so that a fleet does not march in step."""
    yield 0.0
    pause = _FIRST_PAUSE_SECONDS
    while True:
        yield pause * random.uniform(0.5, 1.0)
        pause = min(pause * 2, _LONGEST_PAUSE_SECONDS)
