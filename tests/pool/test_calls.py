"""What one call can meet, on a local pool: every fault is its own future's affair."""

from __future__ import annotations

import asyncio
import os
import pickle
import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import BrokenExecutor, as_completed, wait
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rrqmp import PoolExecutor
from rrqmp.errors import (
    ActivityCrashed,
    ActivityFailed,
    ActivityTimedOut,
    ConfigurationError,
    PayloadTooLarge,
    SoftTimeout,
)
from tests.processes.harness import eventually


class Stubborn(Exception):
    """Cannot be made again from what its pickle holds."""

    def __init__(self, first: str, second: str) -> None:
        super().__init__(f"{first} and {second}")


class Unpicklable(Exception):
    def __reduce__(self) -> Any:
        raise TypeError("this one stays here")


def fail(error: BaseException) -> None:
    raise error


def raise_stubborn() -> None:
    raise Stubborn("one", "two")


def raise_unpicklable() -> None:
    raise Unpicklable("some words")


def append(path: str, text: str) -> None:
    with open(path, "a") as file:
        file.write(text)


def note_and(path: str, end: Callable[[], None]) -> None:
    append(path, "ran\n")
    end()


def kill_self() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def segfault() -> None:
    os.kill(os.getpid(), signal.SIGSEGV)


def leave() -> None:
    os._exit(7)


def test_result_and_exception_arrive(shared_pool: PoolExecutor) -> None:
    assert shared_pool.submit(pow, 2, exp=8).result() == 256
    future = shared_pool.submit(fail, KeyError("nowhere"))
    with pytest.raises(KeyError, match="nowhere"):
        future.result()
    cause = str(future.exception().__cause__)
    assert "test_calls.py" in cause
    assert "in fail" in cause
    assert "rrqmp" not in cause


def test_local_functions_closures_and_classes_travel(shared_pool: PoolExecutor) -> None:
    factor = 3

    class Point:
        def __init__(self, x: int) -> None:
            self.x = x

    def scaled(point: Point) -> Point:
        return Point(point.x * factor)

    found = shared_pool.submit(scaled, Point(2)).result()
    assert type(found) is Point
    assert found.x == 6


@pytest.mark.parametrize(("end", "words"), [(segfault, "SIGSEGV"), (kill_self, "SIGKILL"), (leave, "exit code 7")])
def test_crash_fails_its_own_future_and_runs_once(
    shared_pool: PoolExecutor, tmp_path: Path, end: Callable[[], None], words: str
) -> None:
    path = str(tmp_path / "notes")
    crashed = shared_pool.submit(note_and, path, end)
    others = [shared_pool.submit(pow, 2, n) for n in range(20)]
    with pytest.raises(ActivityCrashed, match=words) as caught:
        crashed.result()
    assert not isinstance(caught.value, BrokenExecutor)
    assert "note_and" in str(caught.value)
    assert "rrqmp show" not in str(caught.value)
    assert [other.result() for other in others] == [2**n for n in range(20)]
    assert Path(path).read_text() == "ran\n"


def test_timeout_kills_the_one_call_that_carries_it(shared_pool: PoolExecutor, tmp_path: Path) -> None:
    path = tmp_path / "notes"

    # Defined here, it goes by value: a fresh worker would need its time to import this module.
    def note_and_burn() -> None:
        with path.open("a") as file:
            file.write("ran\n")
        while True:
            sum(range(10_000))

    hurried = shared_pool.options(timeout=1)
    slow = shared_pool.submit(time.sleep, 1.3)
    with pytest.raises(ActivityTimedOut, match=r"killed after 1\.\d s"):
        hurried.submit(note_and_burn).result()
    assert slow.result() is None
    assert path.read_text() == "ran\n"
    assert shared_pool.options(timeout=20).submit(pow, 2, 3).result() == 8


def test_soft_limit_is_raised_in_the_call(shared_pool: PoolExecutor) -> None:
    def tidy() -> str:
        try:
            time.sleep(20)
        except SoftTimeout:
            return "tidied up"
        return "slept"

    assert shared_pool.options(soft_timeout=0.2, timeout=20).submit(tidy).result() == "tidied up"


def test_retries_only_where_they_are_asked_for(shared_pool: PoolExecutor, tmp_path: Path) -> None:
    path = str(tmp_path / "notes")

    def third_time() -> str:
        append(path, "x")
        if os.path.getsize(path) < 3:
            raise OSError("not yet")
        return "at last"

    from rrqmp.model.retry import RetryPolicy

    patient = shared_pool.options(retry=RetryPolicy(max_retries=2, base=0.01))
    assert patient.submit(third_time).result() == "at last"
    crashing = shared_pool.options(max_retries=5).submit(note_and, str(tmp_path / "crash"), segfault)
    assert isinstance(crashing.exception(), ActivityCrashed)
    assert (tmp_path / "crash").read_text() == "ran\n"


def test_last_of_several_attempts_gives_its_own_exception(shared_pool: PoolExecutor) -> None:
    from rrqmp.model.retry import RetryPolicy

    future = shared_pool.options(retry=RetryPolicy(max_retries=1, base=0.01)).submit(fail, FileNotFoundError("gone"))
    assert isinstance(future.exception(), FileNotFoundError)


def test_what_cannot_be_pickled_fails_its_own_future(shared_pool: PoolExecutor) -> None:
    lock = threading.Lock()
    assert isinstance(shared_pool.submit(id, lock).exception(), TypeError)
    assert isinstance(shared_pool.submit(threading.Lock).exception(), TypeError)
    unpicklable = shared_pool.submit(raise_unpicklable).exception()
    assert isinstance(unpicklable, ActivityFailed)
    assert "some words" in str(unpicklable)
    assert "in raise_unpicklable" in str(unpicklable.__cause__)
    assert isinstance(shared_pool.submit(shared_pool.submit, pow).exception(), TypeError)
    assert shared_pool.submit(pow, 2, 2).result() == 4


def test_exception_that_cannot_be_made_again_is_told_in_words(shared_pool: PoolExecutor) -> None:
    error = shared_pool.submit(raise_stubborn).exception()
    assert isinstance(error, ActivityFailed)
    assert "one and two" in str(error)
    assert "in raise_stubborn" in str(error.__cause__)


class Trap:
    """A result whose unpickling leaves."""

    def __reduce__(self) -> Any:
        return fail, (SystemExit("out of the pool's thread"),)


def test_result_whose_unpickling_raises_fails_its_own_future(shared_pool: PoolExecutor) -> None:
    assert isinstance(shared_pool.submit(Trap).exception(), SystemExit)
    assert shared_pool.submit(pow, 2, 2).result() == 4


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt(), GeneratorExit()])
def test_exits_of_a_call_are_its_exception(shared_pool: PoolExecutor, error: BaseException) -> None:
    assert type(shared_pool.submit(fail, error).exception()) is type(error)


def test_arrays_travel_whole(shared_pool: PoolExecutor) -> None:
    array = np.arange(1_000_000, dtype=np.float64).reshape(1000, 1000)
    doubled = shared_pool.submit(np.multiply, array, 2).result()
    assert np.array_equal(doubled, array * 2)


def test_call_and_result_above_the_limit_name_it() -> None:
    with PoolExecutor(1, payload_limit="64KiB") as pool:
        with pytest.raises(PayloadTooLarge, match="at most 65536.*payload_limit"):
            pool.submit(len, b"x" * 65_536).result()
        with pytest.raises(PayloadTooLarge, match="at most 65536.*payload_limit"):
            pool.submit(bytes, 65_536).result()
        assert pool.submit(len, b"x" * 40_000).result() == 40_000


def test_arguments_are_those_of_the_moment_of_the_call(shared_pool: PoolExecutor) -> None:
    values = [1, 2]
    future = shared_pool.submit(sum, values)
    values.append(100)
    assert future.result() == 3


def test_futures_are_those_of_the_standard_library(shared_pool: PoolExecutor) -> None:
    told: list[object] = []
    futures = [shared_pool.submit(pow, 2, n) for n in range(10)]
    futures[0].add_done_callback(told.append)
    assert {future.result() for future in as_completed(futures, timeout=10)} == {2**n for n in range(10)}
    assert wait(futures, timeout=1).not_done == set()
    eventually(lambda: told == [futures[0]], seen=lambda: told)


def test_asyncio_may_run_calls_in_it(shared_pool: PoolExecutor) -> None:
    async def work() -> list[int]:
        loop = asyncio.get_running_loop()
        return await asyncio.gather(*(loop.run_in_executor(shared_pool, pow, 2, n) for n in range(5)))

    assert asyncio.run(work()) == [1, 2, 4, 8, 16]


def test_callback_may_submit(shared_pool: PoolExecutor) -> None:
    second: list[Any] = []
    first = shared_pool.submit(pow, 2, 3)
    first.add_done_callback(lambda future: second.append(shared_pool.submit(pow, future.result(), 2)))
    eventually(lambda: second)
    assert second[0].result() == 64


def test_callback_that_raises_hurts_nobody(shared_pool: PoolExecutor, caplog: pytest.LogCaptureFixture) -> None:
    future = shared_pool.submit(time.sleep, 0.05)
    future.add_done_callback(lambda future: fail(RuntimeError("from a callback")))
    assert future.result() is None
    assert shared_pool.submit(pow, 2, 2).result() == 4
    assert "exception calling callback" in caplog.text


def test_waiting_call_can_be_cancelled_and_never_runs(shared_pool: PoolExecutor, tmp_path: Path) -> None:
    gate = tmp_path / "gate"

    def hold() -> None:
        while not gate.exists():
            time.sleep(0.002)

    # A pool that has run short calls hands over many at once, one that has just run a long one does not.
    shared_pool.submit(time.sleep, 0.1).result()
    held = [shared_pool.submit(hold) for _ in range(2)]
    queued = [shared_pool.submit(append, str(tmp_path / "ran"), "x") for _ in range(50)]
    # The first few may have been handed over already, so that no worker waits for the next.
    assert all(future.cancel() for future in queued[10:])
    gate.touch()
    wait([*held, *queued], timeout=10)
    assert len((tmp_path / "ran").read_text()) == 10


def test_submissions_from_many_threads(shared_pool: PoolExecutor) -> None:
    results: dict[int, list[int]] = {}

    def client(number: int) -> None:
        results[number] = [future.result() for future in [shared_pool.submit(pow, number, 2) for _ in range(50)]]

    threads = [threading.Thread(target=client, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == {number: [number**2] * 50 for number in range(8)}


def test_map_gives_results_in_order_and_stops_at_the_first_exception(shared_pool: PoolExecutor) -> None:
    assert list(shared_pool.map(pow, range(50), range(50), chunksize=7)) == [n**n for n in range(50)]
    results = shared_pool.map(divmod, [1, 1, 1], [1, 0, 1])
    assert next(results) == (1, 0)
    with pytest.raises(ZeroDivisionError):
        next(results)
    with pytest.raises(TimeoutError):
        list(shared_pool.map(time.sleep, [0, 0.5], timeout=0.1))
    with pytest.raises(ValueError, match="chunksize"):
        shared_pool.map(pow, [1], [1], chunksize=0)
    assert list(shared_pool.map(abs, range(-20, 0), buffersize=3)) == list(range(20, 0, -1))


def test_crash_in_a_piece_of_a_map_is_raised_at_its_place(shared_pool: PoolExecutor) -> None:
    results = shared_pool.map(lambda n: segfault() if n == 5 else n, range(8), chunksize=2)
    assert [next(results) for _ in range(4)] == [0, 1, 2, 3]
    with pytest.raises(ActivityCrashed):
        next(results)


def test_wrong_options_are_named(shared_pool: PoolExecutor) -> None:
    with pytest.raises(ConfigurationError, match="did you mean 'timeout'"):
        shared_pool.options(timout=3)  # type: ignore[call-arg]
    with pytest.raises(ConfigurationError, match="timeout"):
        shared_pool.options(timeout=-1)


def test_calls_carry_metadata_and_the_place_in_a_trace(
    shared_pool: PoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    from opentelemetry.sdk.trace import TracerProvider

    sent: list[Any] = []
    dispatcher = shared_pool._submitter.dispatcher
    take = dispatcher.submit
    monkeypatch.setattr(dispatcher, "submit", lambda call: (sent.append(call), take(call)))
    with TracerProvider().get_tracer("test").start_as_current_span("above"):
        assert shared_pool.submit(pow, 2, 3).result() == 8
        assert shared_pool.options(metadata={"for": "test"}).submit(pow, 2, 4).result() == 16
    assert shared_pool.submit(pow, 2, 5).result() == 32
    assert ["traceparent" in (call.spec.trace or {}) for call in sent] == [True, True, False]
    assert [call.spec.metadata for call in sent] == [None, {"for": "test"}, None]


def test_pool_cannot_be_pickled(shared_pool: PoolExecutor) -> None:
    with pytest.raises(TypeError, match="make one where it is needed"):
        pickle.dumps(shared_pool)


def test_server_keeps_no_results(shared_pool: PoolExecutor) -> None:
    from rrqmp.store.calls.show import show

    futures = [shared_pool.submit(bytes, 1000) for _ in range(250)]
    wait(futures)
    site = shared_pool._submitter.dispatcher._site
    reach = site._reach  # type: ignore[attr-defined]

    def emptied() -> bool:
        record = reach.run(show(site.keys, futures[0].activity_id))
        return record is None or not record.payload

    eventually(emptied)
