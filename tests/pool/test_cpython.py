"""CPython's own tests of executors, over `PoolExecutor`.

Run: all of `ExecutorTest`, `ExecutorShutdownTest`, `AsCompletedTests` and `WaitTests`, which hold for every executor.

Not run, and why:
- `ThreadPool*` and `ProcessPool*` tests look at threads, processes and queues that only those classes have (`_threads`,
  `_processes`, `_call_queue`), or take `mp_context` and `max_tasks_per_child`. What they are about is in
  `test_lifetime.py`: shutdown by `with`, by `del`, without waiting; initializers.
- `test_deadlock`: there a crash or an unpicklable result breaks the pool; here it must not. Its cases are in
  `test_calls.py` with their answers here.
- `test_init`: it reads the log of workers through a `multiprocessing` queue; see `test_lifetime.py`.
- `test_future`, `test_interpreter_pool`: about the standard library's own classes alone.
- `test_map_timeout`, where it sleeps for six seconds: `test_calls.py` has it in a tenth of one.
"""

from __future__ import annotations

import os
import textwrap
from collections.abc import Iterator
from typing import Any

import pytest

from rrqmp import PoolExecutor
from rrqmp.store.embedded import EmbeddedServer
from tests.pool import cpython
from tests.pool.conftest import KEY
from tests.processes.harness import ROOT, Supervised

_SHORTER = 0.3

SUITE = cpython.load()
if SUITE is None:
    pytest.skip(cpython.MISSING, allow_module_level=True)


class SharedPool(PoolExecutor):
    """A pool over workers that are there already: to start some for each test would take a second each."""

    url = ""

    def __init__(self, max_workers: int | None = None) -> None:
        super().__init__(max_workers, redis_url=self.url, queue="pooled", key=KEY)

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Any:
        """Shorter sleeps: what the tests compare them with is a sixth of them or less."""
        if getattr(fn, "__name__", "") in ("sleep", "sleep_and_raise"):
            args = (args[0] * _SHORTER,)
        return super().submit(fn, *args, **kwargs)


# In programs of the tests the name is imported: there it is a local pool.
SharedPool.__name__ = PoolExecutor.__name__


@pytest.fixture(autouse=True)
def shared_workers(server: EmbeddedServer, pool_workers: Supervised) -> None:
    SharedPool.url = server.url


@pytest.fixture(autouse=True)
def programs_import_our_executor(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The tests of the interpreter's end run programs that import their executor from the standard library."""
    from test.support import script_helper

    assert SUITE is not None

    def run(flag: str, program: str) -> Any:
        program = textwrap.dedent(program).replace("from concurrent.futures import", "from rrqmp import")
        if SUITE.folder:
            program = _find_suite(SUITE.folder) + program
        runtime = os.environ.get("XDG_RUNTIME_DIR", "")
        return script_helper.assert_python_ok(flag, program, PYTHONPATH=str(ROOT), XDG_RUNTIME_DIR=runtime)

    for module in SUITE.modules:
        if hasattr(module, "assert_python_ok"):
            monkeypatch.setattr(module, "assert_python_ok", run)
    return


def _find_suite(folder: str) -> str:
    return (
        f"import test, cloudpickle; test.__path__.append({folder!r})\n"
        "import test.support; test.support.Py_GIL_DISABLED = False\n"
        "import test.test_concurrent_futures.test_shutdown as suite\n"
        "cloudpickle.register_pickle_by_value(suite)\n"
    )


class PoolMixin(SUITE.find("ExecutorMixin")):  # type: ignore[misc]
    executor_type = SharedPool


class TestExecutor(PoolMixin, SUITE.find("ExecutorTest"), SUITE.find("BaseTestCase")):  # type: ignore[misc]
    test_map_timeout = None


class TestShutdown(PoolMixin, SUITE.find("ExecutorShutdownTest"), SUITE.find("BaseTestCase")):  # type: ignore[misc]
    pass


class TestAsCompleted(PoolMixin, SUITE.find("AsCompletedTests"), SUITE.find("BaseTestCase")):  # type: ignore[misc]
    pass


class TestWait(PoolMixin, SUITE.find("WaitTests"), SUITE.find("BaseTestCase")):  # type: ignore[misc]
    pass
