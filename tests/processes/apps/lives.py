"""Handlers with a life around their activities: set up once, torn down at the end, state kept over attempts."""

from __future__ import annotations

import itertools
import os
import threading
import time
from pathlib import Path
from typing import Any

from notes import App, note, wait_for, write_line

from rrqmp.errors import NonRetry, Release, StaleAttempt
from rrqmp.handling.context import ActivityContext
from rrqmp.handling.handler import ActivityHandler
from rrqmp.handling.hooks import make_hook
from rrqmp.handling.worker_facts import WorkerInfo
from rrqmp.model.retry import RetryPolicy

engine = App()
# Where the test wants to be told of what no activity's payload can name.
FOLDER = os.environ.get("LIVES_FOLDER", "")
ONCE = RetryPolicy(max_retries=0)


def tell(text: str) -> None:
    if FOLDER:
        write_line(f"{FOLDER}/told", f"{text} {os.getpid()}\n")


def start(worker: WorkerInfo) -> None:
    tell(f"start slot={worker.slot} queues={len(worker.queues)}")
    how = Path(FOLDER, "start").read_text() if FOLDER and Path(FOLDER, "start").exists() else ""
    if how == "raise":
        raise RuntimeError("no model here")
    if how == "hang":
        sum(itertools.repeat(0))


def stop() -> None:
    tell("stop")


engine.registry.on_worker_start.append(make_hook(start, "on_worker_start", 0.5))
engine.registry.on_worker_stop.append(make_hook(stop, "on_worker_stop"))


class Fine(ActivityHandler[Any, Any]):
    activity_type = "fine"

    def __init__(self) -> None:
        self.model = ""

    async def setup(self, worker: WorkerInfo) -> None:
        tell(f"setup slot={worker.slot}")
        self.model = f"loaded in {os.getpid()}"

    def teardown(self) -> None:
        tell("teardown")
        if FOLDER and Path(FOLDER, "teardown hangs").exists():
            sum(itertools.repeat(0))
        raise RuntimeError("nobody minds")

    def handle(self, payload: Any, context: ActivityContext) -> str:
        return self.model


class Troubled(ActivityHandler[Any, Any]):
    """Its setup does as the file `setup` says, until that is gone."""

    activity_type = "troubled"
    setup_timeout = 0.3
    retry = ONCE

    def setup(self, worker: WorkerInfo) -> None:
        tell("setup")
        order = Path(FOLDER, "setup")
        how = order.read_text() if order.exists() else ""
        if how == "raise":
            raise RuntimeError("no model here")
        if how == "exit":
            raise SystemExit(3)
        if how == "hang":
            sum(itertools.repeat(0))
        if how == "crash":
            os.abort()
        self.ready = True

    def handle(self, payload: Any, context: ActivityContext) -> bool:
        if payload == "fail":
            raise NonRetry("no hope")
        return self.ready

    def on_dead_letter(self, payload: Any, context: ActivityContext, error: Exception) -> None:
        tell(f"dead letter, ready={self.ready}")


class LoadsLong(ActivityHandler[Any, Any]):
    activity_type = "loads_long"

    def setup(self, worker: WorkerInfo) -> None:
        tell("long")
        time.sleep(2)

    def handle(self, payload: Any, context: ActivityContext) -> None: ...


engine.add(Fine)
engine.add(LoadsLong)
engine.add(Troubled)


@engine.add
def echo(payload: Any) -> Any:
    return payload


def resumes(payload: Any, context: ActivityContext) -> list[int]:
    """Counts to ten and dies twice on the way, as the payload says."""
    done = context.checkpoint or []
    while len(done) < 10:
        done = [*done, context.attempt]
        context.save_checkpoint(done)
        if len(done) in (3, 6) and done.count(context.attempt) == 3:
            if payload == "crash":
                os.abort()
            if payload == "release":
                raise Release
            raise ValueError("again")
    return done


engine.add(resumes, retry=RetryPolicy(base=0.005, cap=0.01))


@engine.add
def releases(payload: Any, context: ActivityContext) -> Any:
    """Gives itself back until the checkpoint has reached what the payload says."""
    state = context.checkpoint or 0
    note(payload, context, str(state))
    if state < payload["times"]:
        raise Release("later", checkpoint=state + 1, delay=payload.get("delay"))
    return [state, context.attempt]


@engine.add
def releases_when_stopping(payload: Any, context: ActivityContext) -> Any:
    note(payload, context, str(context.checkpoint))
    if context.checkpoint:
        return context.checkpoint
    wait_for(lambda: context.stopping)
    raise Release(checkpoint={"far": 1})


def releases_wrongly(payload: Any, context: ActivityContext) -> Any:
    raise Release(checkpoint={"a": object()} if payload == "kind" else "x" * 70_000)


engine.add(releases_wrongly, retry=ONCE)


@engine.add
def reports(payload: Any, context: ActivityContext) -> None:
    """Speaks far more often than anybody listens."""
    for step in range(20_000):
        context.progress(step / 20_000, f"step {step}")
    context.progress(0.5, payload["say"])
    wait_for(lambda: os.path.exists(payload["gate"]))


@engine.add
def saves_when_told(payload: Any, context: ActivityContext) -> Any:
    note(payload, context)
    if context.checkpoint:
        return context.checkpoint
    wait_for(lambda: os.path.exists(payload["gate"]))
    note(payload, context, "saving")
    context.save_checkpoint("kept")
    os.abort()


@engine.add
def too_late(payload: Any, context: ActivityContext) -> str:
    """Waits until the test has ended its claim, and tries to save."""
    note(payload, context)
    wait_for(lambda: os.path.exists(payload["gate"]))
    try:
        context.save_checkpoint(1)
    except StaleAttempt as error:
        note(payload, context, f"stale: {error}")
    return "unheard"


@engine.add
def naps(payload: Any) -> None:
    time.sleep(payload)


@engine.add
def leaves_a_saver(payload: Any, context: ActivityContext) -> int:
    """Returns while a thread of it saves on, as often as it can."""

    def save_on() -> None:
        for number in itertools.count():
            try:
                context.save_checkpoint(number)
            except StaleAttempt:
                note(payload, context, "stale")

    threading.Thread(target=save_on, daemon=True).start()
    wait_for(lambda: bool(context.checkpoint))
    return os.getpid()


@engine.add
def forks_a_saver(payload: Any, context: ActivityContext) -> Any:
    """Has a child save in its place."""
    pid = os.fork()
    if not pid:
        try:
            context.save_checkpoint("the child's")
        finally:
            os._exit(0)
    os.waitpid(pid, 0)
    return context.checkpoint
