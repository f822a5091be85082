"""The demo from beginning to end: submit, watch, collect, print."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from rrqmp.client.batch import as_completed
from rrqmp.client.executor import ActivityExecutor
from rrqmp.client.future import ActivityFuture
from rrqmp.demo.application import Measures, Source, crash, leave, measure, spin_in_c, spin_in_python
from rrqmp.demo.library import library_files, library_folder
from rrqmp.demo.stage import DemoStage
from rrqmp.demo.tables import print_casualties, print_modules
from rrqmp.errors import ActivityUnsuccessful, ResultTimeout, WorkerError
from rrqmp.model.attempt import Attempt

HOSTILE: Final = (spin_in_python, spin_in_c, crash, leave)
_LONGEST_SECONDS: Final = 300.0
_LOOK_SECONDS: Final = 1.0


def run_demo(console: Console, *, workers: int | None, redis_url: str | None) -> None:
    """Runs the demo; raises `WorkerError` if anything but the four hostile handlers failed."""
    folder = library_folder()
    files = library_files(folder)
    started = time.monotonic()
    # Names of its own on a server that others use: nothing of theirs is touched, nothing of ours is left.
    mark = f"rrqmp-demo-{os.getpid()}"
    with DemoStage(queue="demo", prefix=mark, workers=workers, redis_url=redis_url) as stage:
        console.print(f"measuring {len(files)} files of {folder}; 4 handlers will misbehave, with 2 s to live each")
        with ActivityExecutor.connect(stage.url, "demo", prefix=mark) as executor:
            measured, hostile = submit(executor, files)
            watch(console, [*measured.values(), *hostile.values()], stage)
            modules = {
                str(path.relative_to(folder)): measures
                for path, future in measured.items()
                if not (measures := future.get_result(timeout=10)).fault
            }
            casualties = {name: attempts_of(future) for name, future in hostile.items()}
    print_modules(console, modules)
    print_casualties(console, casualties)
    seconds = time.monotonic() - started
    console.print(f"{len(files)} files measured in {seconds:.1f} s; {len(files) - len(modules)} of them do not parse")


def submit(
    executor: ActivityExecutor, files: Sequence[Path]
) -> tuple[Mapping[Path, ActivityFuture[Measures]], Mapping[str, ActivityFuture[Any]]]:
    """Sends everything, the hostile ones spread among the others."""
    measured: dict[Path, ActivityFuture[Measures]] = {}
    hostile: dict[str, ActivityFuture[Any]] = {}
    share = len(files) // (len(HOSTILE) + 1) + 1
    for position in range(0, len(files), share):
        part = files[position : position + share]
        futures = executor.execute_many(measure, [Source(str(path)) for path in part])
        measured.update(zip(part, futures, strict=True))
        if len(hostile) < len(HOSTILE):
            handler = HOSTILE[len(hostile)]
            hostile[handler.activity_type] = executor.execute(handler, None)
    return measured, hostile


def watch(console: Console, futures: Sequence[ActivityFuture[Any]], stage: DemoStage) -> None:
    """Draws a bar until all have ended."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    deadline = time.monotonic() + _LONGEST_SECONDS
    waiting = set(futures)
    with Progress(*columns, console=console) as progress:
        bar = progress.add_task("activities", total=len(waiting))
        while waiting:
            try:
                for future in as_completed(list(waiting), timeout=_LOOK_SECONDS):
                    waiting.discard(future)
                    progress.advance(bar)
            except ResultTimeout:
                # Nothing is wrong yet; a supervisor that has gone would leave us waiting for ever.
                stage.check()
                if time.monotonic() > deadline:
                    raise WorkerError(f"{len(waiting)} activities had not ended after {_LONGEST_SECONDS:g} s") from None


def attempts_of(future: ActivityFuture[Any]) -> Sequence[Attempt]:
    """The attempts of one that must have failed."""
    try:
        result = future.get_result(timeout=10)
    except ActivityUnsuccessful as error:
        return error.attempts
    raise WorkerError(f"a hostile handler returned {result!r}")
