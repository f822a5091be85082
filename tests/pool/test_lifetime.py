"""How a local pool begins and ends: by request, by neglect, by the end or the death of its process."""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import BrokenExecutor, wait
from pathlib import Path

import psutil
import pytest

from rrqmp import PoolExecutor
from rrqmp.errors import ConfigurationError
from tests.pool.conftest import CHILD_PATIENCE, left_over
from tests.processes.harness import eventually

Run = Callable[[str], "subprocess.Popen[str]"]


def finish(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    try:
        out, err = process.communicate(timeout=CHILD_PATIENCE)
    except subprocess.TimeoutExpired:
        living = process.poll() is None
        below = psutil.Process(process.pid).children(recursive=True) if living else []
        # faulthandler writes where every thread stands.
        process.send_signal(signal.SIGABRT)
        out, err = process.communicate(timeout=CHILD_PATIENCE)
        pytest.fail(f"not ended after {CHILD_PATIENCE} s; it {'lives' if living else 'is gone'}, {below}\n{out}\n{err}")
    return process.returncode, out, err


def pool_threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("rrqmp")]


def slowly(seconds: float, value: object) -> object:
    time.sleep(seconds)
    return value


def test_pool_that_is_never_used_starts_nothing() -> None:
    before = pool_threads()
    with PoolExecutor(2):
        assert pool_threads() == before


def test_pool_is_closed_twice_and_takes_nothing_after() -> None:
    pool = PoolExecutor(1)
    assert pool.submit(pow, 2, 3).result() == 8
    pool.shutdown()
    pool.shutdown(wait=False, cancel_futures=True)
    with pytest.raises(RuntimeError, match="cannot schedule new futures after shutdown"):
        pool.submit(pow, 2, 3)
    with pytest.raises(RuntimeError, match="cannot schedule new futures after shutdown"):
        pool.options(timeout=1).submit(pow, 2, 3)


@pytest.mark.once
def test_shutdown_cancels_what_waits_and_lets_end_what_runs() -> None:
    pool = PoolExecutor(1)
    assert pool.submit(pow, 2, 3).result() == 8
    futures = [pool.submit(slowly, 0.1, n) for n in range(30)]
    eventually(lambda: futures[0].running() or futures[0].done())
    pool.shutdown(wait=False, cancel_futures=True)
    wait(futures, timeout=10)
    ended = [future for future in futures if not future.cancelled()]
    assert 1 <= len(ended) < 10
    assert [future.result() for future in ended] == list(range(len(ended)))


def test_dropped_pool_finishes_what_was_submitted_and_goes(shared_pool: PoolExecutor) -> None:
    shared = set(left_over())
    pool = PoolExecutor(1)
    futures = [pool.submit(slowly, 0.02, n) for n in range(5)]
    results = pool.map(abs, range(-3, 0))
    del pool
    gc.collect()
    assert [future.result() for future in futures] == list(range(5))
    assert list(results) == [3, 2, 1]
    eventually(lambda: not set(left_over()) - shared, seen=left_over)


@pytest.mark.once
def test_view_keeps_its_pool() -> None:
    view = PoolExecutor(1).options(timeout=30)
    gc.collect()
    with view:
        assert view.submit(pow, 2, 3).result() == 8


def test_wrong_keywords_are_named_before_anything_starts() -> None:
    for keywords, words in (
        ({"max_workers": 0}, "max_workers must be greater than 0"),
        ({"key": "k" * 32}, "key is for workers that serve a queue elsewhere"),
        ({"queue": "q"}, "queue is for workers that serve a queue elsewhere"),
        ({"redis_url": "redis://127.0.0.1:1"}, "there is no key: set RRQMP_KEY"),
        ({"redis_url": "redis://127.0.0.1:1", "key": "short"}, "the key has 5 bytes"),
        ({"redis_url": "reds://x", "key": "k" * 32}, "unknown scheme"),
        ({"redis_url": "redis://127.0.0.1:1", "key": "k" * 32, "initializer": print}, "initializer is for a local"),
        ({"valid_for": -1}, "valid_for"),
    ):
        with pytest.raises(ConfigurationError, match=words):
            PoolExecutor(**keywords)  # type: ignore[arg-type]


@pytest.mark.once
def test_supervisor_that_dies_breaks_the_pool() -> None:
    before = {child.pid for child in psutil.Process().children()}
    pool = PoolExecutor(1)
    running, waiting = pool.submit(time.sleep, 60), [pool.submit(pow, 2, n) for n in range(20)]
    eventually(running.running)
    [supervisor] = [child for child in psutil.Process().children() if child.pid not in before]
    supervisor.kill()
    for future in (running, *waiting):
        with pytest.raises(BrokenExecutor, match="its supervisor"):
            future.result(timeout=10)
    with pytest.raises(BrokenExecutor):
        pool.submit(pow, 2, 3)
    pool.shutdown()


_made: list[int] = []


def initialize(path: str, number: int) -> None:
    with open(path, "a") as file:
        file.write(f"{os.getpid()} {number}\n")


def slow_pid() -> int:
    time.sleep(0.05)
    return os.getpid()


@pytest.mark.once
def test_initializer_runs_once_in_every_worker(tmp_path: Path) -> None:
    path = tmp_path / "notes"
    with PoolExecutor(2, initializer=initialize, initargs=(str(path), 5)) as pool:
        pids = {future.result() for future in [pool.submit(slow_pid) for _ in range(6)]}
    assert sorted(path.read_text().splitlines()) == sorted(f"{pid} 5" for pid in pids)


def refuse() -> None:
    raise ValueError("no licence")


@pytest.mark.once
def test_initializer_that_raises_breaks_the_pool() -> None:
    pool = PoolExecutor(1, initializer=refuse)
    future = pool.submit(pow, 2, 3)
    with pytest.raises(BrokenExecutor, match="no licence"):
        future.result(timeout=10)
    eventually(lambda: _refuses(pool))
    pool.shutdown()


def _refuses(pool: PoolExecutor) -> bool:
    try:
        pool.submit(pow, 2, 3)
    except BrokenExecutor:
        return True
    return False


def test_forked_child_is_told_and_may_make_its_own(run_program: Run) -> None:
    program = run_program(
        """
        import os, warnings
        from rrqmp import PoolExecutor
        # From 3.12 on Python warns of a fork beside threads.
        warnings.simplefilter("ignore", DeprecationWarning)
        pool = PoolExecutor(1)
        print(pool.submit(pow, 2, 3).result(), flush=True)
        pid = os.fork()
        if pid == 0:
            try:
                pool.submit(pow, 2, 3)
            except RuntimeError as error:
                print("make a new one after a fork" in str(error), flush=True)
            pool.shutdown()
            with PoolExecutor(1) as own:
                print(own.submit(pow, 2, 4).result(), flush=True)
        else:
            os.waitpid(pid, 0)
            print(pool.submit(pow, 2, 5).result(), flush=True)
        """
    )
    assert finish(program) == (0, "8\nTrue\n16\n32\n", "")


def test_end_of_the_interpreter_waits_for_what_was_submitted(run_program: Run, tmp_path: Path) -> None:
    program = run_program(
        """
        import atexit, time
        from rrqmp import PoolExecutor

        @atexit.register
        def late():
            try:
                pool.submit(pow, 2, 3)
            except RuntimeError as error:
                print(error)

        def work(n):
            time.sleep(0.1)
            print(n, flush=True)

        if __name__ == "__main__":
            pool = PoolExecutor(2)
            pool.submit(work, "apple")
            idle = PoolExecutor(2)
            other = PoolExecutor(1)
            other.submit(work, "apple")
            other.shutdown(wait=False)
        """
    )
    said = "apple\napple\ncannot schedule new futures after shutdown\n"
    assert finish(program) == (0, said, "")
    assert [path.name for path in tmp_path.iterdir()] == ["program.py"]


def busy_program(run_program: Run) -> tuple[subprocess.Popen[str], list[psutil.Process]]:
    program = run_program(
        """
        import time
        from rrqmp import PoolExecutor
        def work():
            print("working", flush=True)
            while True:
                time.sleep(0.01)
        with PoolExecutor(1) as pool:
            futures = [pool.submit(work) for _ in range(5)]
            futures[0].result()
        """
    )
    assert program.stdout is not None
    assert program.stdout.readline() == "working\n"
    return program, psutil.Process(program.pid).children(recursive=True)


@pytest.mark.once
def test_killed_program_leaves_no_process_and_no_folder(run_program: Run, tmp_path: Path) -> None:
    program, below = busy_program(run_program)
    assert len(below) >= 4
    assert any(path.name.startswith("rrqmp-pool-") for path in tmp_path.iterdir())
    program.kill()
    program.wait()
    eventually(lambda: not any(process.is_running() for process in below), seen=lambda: below)
    eventually(
        lambda: [path.name for path in tmp_path.iterdir()] == ["program.py"], seen=lambda: list(tmp_path.iterdir())
    )


def test_control_c_ends_a_program_with_what_it_runs(run_program: Run, tmp_path: Path) -> None:
    program, below = busy_program(run_program)
    # As a terminal does: to the whole group.
    os.killpg(program.pid, signal.SIGINT)
    code, _, err = finish(program)
    assert code == -signal.SIGINT
    assert err.rstrip().endswith("KeyboardInterrupt")
    eventually(lambda: not any(process.is_running() for process in below), seen=lambda: below)
    assert [path.name for path in tmp_path.iterdir()] == ["program.py"]


@pytest.mark.once
def test_settings_of_the_program_are_not_the_pools_and_reach_its_calls(
    run_program: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "rrqmp.toml").write_text("max_workers = 'nonsense'\nno_setting = 1\n")
    monkeypatch.setenv("RRQMP_REDIS_URL", "redis://127.0.0.1:1")
    monkeypatch.setenv("RRQMP_KEY", "the key of another deployment")
    monkeypatch.setenv("RRQMP_QUEUES", "others")
    program = run_program(
        """
        import os
        from rrqmp import PoolExecutor
        def look():
            return sorted(f"{name}={value}" for name, value in os.environ.items() if name.startswith("RRQMP_")
                          and name != "RRQMP_NODE_MARK")
        with PoolExecutor(1) as pool:
            print(*pool.submit(look).result())
        """
    )
    code, out, err = finish(program)
    assert (code, err) == (0, "")
    assert out == ("RRQMP_KEY=the key of another deployment RRQMP_QUEUES=others RRQMP_REDIS_URL=redis://127.0.0.1:1\n")


@pytest.mark.once
def test_no_key_is_on_a_command_line_or_in_an_environment(shared_pool: PoolExecutor) -> None:
    shared_pool.submit(pow, 2, 3).result()
    key = shared_pool._submitter.dispatcher._site.key  # type: ignore[attr-defined]
    for process in psutil.Process().children(recursive=True):
        try:
            seen = "\n".join([*process.cmdline(), *process.environ().values()])
        except psutil.NoSuchProcess:
            continue
        assert key.hex() not in seen
        assert repr(key) not in seen


def nested(n: int) -> int:
    with PoolExecutor(1) as inner:
        return inner.submit(pow, n, 2).result()


def test_call_may_have_a_pool_of_its_own(shared_pool: PoolExecutor) -> None:
    assert shared_pool.submit(nested, 7).result() == 49


@pytest.mark.once
def test_killed_call_takes_its_own_pool_along(shared_pool: PoolExecutor, tmp_path: Path) -> None:
    path = tmp_path / "pids"

    def hold() -> None:
        # Nobody is left to remove the inner pool's folder.
        tempfile.tempdir = str(path.parent)
        with PoolExecutor(1) as inner:
            inner.submit(pow, 2, 2).result()
            below = psutil.Process().children(recursive=True)
            path.write_text(" ".join(str(process.pid) for process in below))
            inner.submit(time.sleep, 60).result()

    future = shared_pool.options(timeout=3).submit(hold)
    assert future.exception() is not None
    pids = [int(word) for word in path.read_text().split()]
    assert len(pids) >= 3
    eventually(lambda: not any(psutil.pid_exists(pid) for pid in pids))
