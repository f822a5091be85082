"""An engine is started from wherever people start one, and its handlers are found again."""

from __future__ import annotations

import signal
from collections.abc import Callable
from typing import Any

import psutil
import pytest

from rrqmp.client.executor import ActivityExecutor
from tests.engine.conftest import PATIENCE, Script

THUMBNAIL = """
@dataclass
class Job:
    path: str

@dataclass
class Thumb:
    size: int
    pid: int

class Thumbnail(ActivityHandler[Job, Thumb]):
    def handle(self, payload: Job, context: ActivityContext) -> Thumb:
        assert isinstance(payload, Job), payload
        return Thumb(len(payload.path), os.getpid())

engine = WorkerEngine(**settings)
engine.register_activity(Thumbnail)
"""
START = (
    THUMBNAIL
    + """
if __name__ == "__main__":
    engine.start()
    print("stopped")
"""
)


@pytest.mark.parametrize("by", ["file", "module"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_script_serves_its_own_handlers_until_it_is_told_to_stop(
    run_script: Callable[..., Script], executor: ActivityExecutor, number: signal.Signals, by: str
) -> None:
    script = run_script(START, by)
    result = executor.execute("thumbnail", {"path": "abc"}).get_result(PATIENCE)
    assert result["size"] == 3
    assert result["pid"] != script.process.pid
    script.signal(number)
    code, out, err = script.finish()
    assert (code, out) == (0, "stopped\n"), err


def test_a_thread_starts_and_another_stops(run_script: Callable[..., Script]) -> None:
    script = run_script(THUMBNAIL + """
if __name__ == "__main__":
    thread = threading.Thread(target=engine.start)
    thread.start()
    print(engine.get_activity_executor().execute(Thumbnail, Job("ab")).get_result(20).size)
    engine.stop()
    thread.join(10)
    print(thread.is_alive())
""")  # fmt: skip
    code, out, err = script.finish()
    assert (code, out) == (0, "2\nFalse\n"), err


def test_a_notebook_cell_starts_one_inside_a_running_loop(run_script: Callable[..., Script]) -> None:
    # No file, text annotations, and a loop that runs already: what a notebook is, as far as an engine can tell.
    script = run_script(THUMBNAIL + """
scale = 10

@engine.activity
async def scaled(job: list[Job]) -> list[Thumb]:
    return [Thumb(len(one.path) * scale, 0) for one in job]

async def cell():
    with engine.running():
        executor = engine.get_activity_executor()
        print(executor.execute(Thumbnail, Job("abcd")).get_result(20).size)
        print(executor.execute(scaled, [Job("abcd")]).get_result(20)[0].size)

import asyncio
asyncio.run(cell())
""", "stdin")  # fmt: skip
    code, out, err = script.finish()
    assert (code, out) == (0, "4\n40\n"), err


def test_an_engine_made_in_a_function_of_a_script_is_sent_by_value(run_script: Callable[..., Script]) -> None:
    script = run_script("""
def main():
    engine = WorkerEngine(**settings)
    greeting = "hello "

    @engine.activity
    def greet(name: str) -> str:
        return greeting + name

    with engine.running():
        print(engine.get_activity_executor().execute(greet, "world").get_result(20))

if __name__ == "__main__":
    main()
""")
    code, out, err = script.finish()
    assert (code, out) == (0, "hello world\n"), err


def test_a_missing_guard_is_named(run_script: Callable[..., Script]) -> None:
    script = run_script(THUMBNAIL + "engine.start()\n")
    code, _, err = script.finish()
    assert code == 1
    assert 'if __name__ == "__main__"' in err
    assert "exit code 78" in err


def test_what_cannot_be_sent_names_the_handler_and_the_global(run_script: Callable[..., Script]) -> None:
    script = run_script("""
engine = WorkerEngine(**settings)
lock = threading.Lock()

@engine.activity
def guarded(payload: int) -> int:
    with lock:
        return payload

with engine.running():
    pass
""", "stdin")  # fmt: skip
    code, _, err = script.finish()
    assert code == 1
    assert "guarded cannot be sent to the workers from here: its global lock cannot be sent" in err


def test_the_death_of_the_script_ends_all(run_script: Callable[..., Script], executor: ActivityExecutor) -> None:
    script = run_script(START)
    executor.execute("thumbnail", {"path": "abc"}).get_result(PATIENCE)
    family = psutil.Process(script.process.pid).children(recursive=True)
    assert len(family) >= 3
    script.process.kill()
    script.process.communicate()
    gone, alive = psutil.wait_procs(family, timeout=PATIENCE)
    assert not alive, alive
    assert len(gone) == len(family)


def test_the_death_of_the_script_ends_all_beside_a_child_that_it_forked(run_script: Callable[..., Script]) -> None:
    # The child holds copies of all that the script has open.
    script = run_script(THUMBNAIL + """
import time

if __name__ == "__main__":
    with engine.running():
        child = os.fork()
        if child:
            print(child, flush=True)
        time.sleep(600)
""")  # fmt: skip
    assert script.process.stdout is not None
    child = psutil.Process(int(script.process.stdout.readline()))
    try:
        family = [one for one in psutil.Process(script.process.pid).children(recursive=True) if one != child]
        assert len(family) >= 2
        script.process.kill()
        script.process.wait()
        gone, alive = psutil.wait_procs(family, timeout=PATIENCE)
        assert (len(gone), alive) == (len(family), [])
    finally:
        child.kill()
        script.process.communicate()


def test_the_current_folder_is_searched_as_a_script_would(run_script: Callable[..., Script], tmp_path: Any) -> None:
    (tmp_path / "beside.py").write_text("SIZE = 7\n")
    script = run_script("""
import beside
engine = WorkerEngine(**settings)

@engine.activity
def size(payload: None) -> int:
    return beside.SIZE

if __name__ == "__main__":
    with engine.running():
        print(engine.get_activity_executor().execute(size, None).get_result(20))
""")
    code, out, err = script.finish()
    assert (code, out) == (0, "7\n"), err
