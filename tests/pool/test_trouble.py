"""A pool while its server is away, with thousands of calls, and with calls that mean it ill."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections import Counter
from concurrent.futures import BrokenExecutor, wait
from pathlib import Path
from typing import Any

import psutil
import pytest

from rrqmp import PoolExecutor
from rrqmp.errors import ActivityCrashed
from tests.processes.harness import eventually


def test_thousands_of_calls_with_crashes_among_them(shared_pool: PoolExecutor) -> None:
    def work(n: int) -> int:
        if n % 400 == 399:
            os._exit(1)
        return n

    futures = [shared_pool.submit(work, n) for n in range(2_000)]
    wait(futures, timeout=50)
    ends = Counter(type(future.exception()) for future in futures)
    assert ends == {type(None): 1_995, ActivityCrashed: 5}
    assert [future.result() for n, future in enumerate(futures) if n % 400 != 399] == [
        n for n in range(2_000) if n % 400 != 399
    ]


def server_of(pool: PoolExecutor) -> psutil.Process:
    supervisor = pool._submitter.dispatcher._site._child.pid  # type: ignore[attr-defined]
    [server] = [child for child in psutil.Process(supervisor).children() if "valkey" in child.name()]
    return server


@pytest.mark.once
def test_server_that_stands_still_for_a_while_loses_nothing() -> None:
    with PoolExecutor(2) as pool:
        pool.submit(pow, 2, 2).result()
        server = server_of(pool)
        futures = [pool.submit(lambda n: (time.sleep(0.001), n)[1], n) for n in range(300)]
        eventually(futures[5].done)
        server.send_signal(signal.SIGSTOP)
        try:
            futures += [pool.submit(pow, 2, 3) for _ in range(100)]
            assert wait(futures, timeout=0.5).not_done
        finally:
            server.send_signal(signal.SIGCONT)
        assert [future.result(timeout=30) for future in futures] == [*range(300), *[8] * 100]


@pytest.mark.once
def test_server_that_dies_fails_what_was_submitted() -> None:
    pool = PoolExecutor(1)
    assert pool.submit(pow, 2, 2).result() == 4
    futures = [pool.submit(time.sleep, 60) for _ in range(10)]
    eventually(futures[0].running)
    server_of(pool).kill()
    for future in futures:
        assert isinstance(future.exception(timeout=20), BrokenExecutor)
    pool.shutdown()


def close_all_descriptors() -> str:
    os.closerange(3, 1000)
    return "closed"


def replace_streams() -> str:
    sys.stdout = sys.stderr = None  # type: ignore[assignment]
    return "silent"


def leave_a_thread() -> str:
    threading.Thread(target=time.sleep, args=(30,), daemon=True).start()
    return "left"


def spoil_pickle() -> str:
    import pickle

    pickle.loads = None  # type: ignore[assignment]
    return "spoilt"


def change_folder() -> str:
    os.chdir("/")
    return "moved"


@pytest.mark.once
@pytest.mark.parametrize(
    "hostile", [close_all_descriptors, replace_streams, leave_a_thread, spoil_pickle, change_folder]
)
def test_hostile_call_costs_at_most_the_next_calls_of_its_worker(hostile: Any) -> None:
    """What a call does to its own process is that process's; the pool goes on with others where it dies of it."""
    with PoolExecutor(1) as pool:
        first = pool.submit(hostile)
        wait([first], timeout=20)
        pool.submit(os._exit, 1).exception(timeout=20)
        # A fresh worker, whatever became of the former.
        assert pool.submit(pow, 2, 3).result(timeout=20) == 8


@pytest.mark.once
def test_pool_with_a_large_backlog_ends_at_once_where_that_is_asked(tmp_path: Path) -> None:
    pool = PoolExecutor(1)
    assert pool.submit(pow, 2, 2).result() == 4
    futures = [pool.submit(time.sleep, 0.05) for _ in range(5_000)]
    began = time.monotonic()
    pool.shutdown(cancel_futures=True)
    assert time.monotonic() - began < 20
    assert all(future.done() for future in futures)
