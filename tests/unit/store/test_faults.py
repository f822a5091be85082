"""What each error of the library means: sent again, or told to the caller in rrqmp's own words."""

from __future__ import annotations

from itertools import islice

import pytest
from redis import exceptions

from rrqmp.errors import QueueFull, StoreError, StoreUnavailable
from rrqmp.store.faults import Remedy, pauses, remedy_for, translate
from rrqmp.store.url import RedisAddress

WHERE = RedisAddress(host="db")


@pytest.mark.parametrize(
    ("error", "remedy"),
    [
        (exceptions.ConnectionError("gone"), Remedy.RECONNECT),
        (exceptions.TimeoutError("late"), Remedy.RECONNECT),
        (ConnectionResetError(), Remedy.RECONNECT),
        (exceptions.ReadOnlyError("READONLY You can't write against a read only replica."), Remedy.RECONNECT),
        (exceptions.NoScriptError("No matching script"), Remedy.LOAD_SCRIPT),
        (exceptions.BusyLoadingError("loading"), Remedy.WAIT),
        (exceptions.ResponseError("BUSY Redis is busy running a script"), Remedy.WAIT),
        (exceptions.TryAgainError("TRYAGAIN"), Remedy.WAIT),
        (exceptions.ClusterDownError("CLUSTERDOWN"), Remedy.WAIT),
        (exceptions.ResponseError("Script attempted to access a non local key in a cluster node"), Remedy.WAIT),
        (exceptions.ResponseError("WRONGTYPE Operation"), Remedy.GIVE_UP),
        (exceptions.OutOfMemoryError("command not allowed"), Remedy.GIVE_UP),
        (exceptions.AuthenticationError("WRONGPASS"), Remedy.GIVE_UP),
        (exceptions.ConnectionError("Authentication required."), Remedy.GIVE_UP),
    ],
)
def test_error_is_sorted(error: Exception, remedy: Remedy) -> None:
    assert remedy_for(error) is remedy


@pytest.mark.parametrize(
    ("error", "kind", "told"),
    [
        (exceptions.OutOfMemoryError("command not allowed"), QueueFull, "raise maxmemory"),
        (exceptions.AuthenticationError("WRONGPASS"), StoreError, "check the URL"),
        (exceptions.ResponseError("LAYOUT 2"), StoreError, "another version"),
        (exceptions.ConnectionError("refused"), StoreUnavailable, "is it running"),
        (exceptions.TimeoutError("late"), StoreUnavailable, "does not answer"),
        (exceptions.ResponseError("WRONGTYPE"), StoreError, "WRONGTYPE"),
    ],
)
def test_caller_is_told_in_our_own_errors(error: Exception, kind: type[Exception], told: str) -> None:
    translated = translate(error, WHERE)
    assert type(translated) is kind
    assert told in str(translated)
    assert "redis://db:6379" in str(translated)


def test_resends_start_at_once_and_slow_down_to_a_second() -> None:
    waits = list(islice(pauses(), 20))
    assert waits[0] == 0.0
    assert all(0 < wait <= 1.0 for wait in waits[1:])
    assert waits[-1] >= 0.5
