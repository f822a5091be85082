"""Handlers for tests of the runner; hostile ones among them."""

from __future__ import annotations

import asyncio
import ctypes
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import msgspec

from rrqmp import ActivityContext, ActivityHandler, NonRetry, Retry, SoftTimeout, WorkerEngine
from rrqmp.runner import ExecutionOutcome, ExecutionRequest, Registry

registry = Registry()


@registry.register
def echo(request: ExecutionRequest) -> Any:
    return request.params


@registry.register
async def echo_later(request: ExecutionRequest) -> ExecutionOutcome:
    await asyncio.sleep(0)
    return request.success(request.params)


@registry.register("describe")
def tell(request: ExecutionRequest) -> Any:
    context = request.context
    return {
        "pid": os.getpid(),
        "job_id": request.job_id,
        "request_id": request.request_id,
        "attempt": context.attempt,
        "queue": context.queue_name,
        "enqueued": str(context.enqueue_time),
        "trace": dict(context.trace_context),
        "correlation": dict(context.correlation_context),
        "worker_id": context.worker_id,
    }


@registry.register
def outcome(request: ExecutionRequest) -> ExecutionOutcome:
    """The one that the params name, by the constructors of the request."""
    how = request.params["how"]
    arguments = request.params.get("with", [])
    made: ExecutionOutcome = getattr(request, how)(*arguments)
    return made


@registry.register
def raises(request: ExecutionRequest) -> None:
    kind = request.params["kind"]
    if kind == "retry":
        raise Retry("come back", delay=request.params.get("delay"))
    if kind == "non_retry":
        raise NonRetry("never")
    if kind == "exit":
        sys.exit(3)
    if kind == "timeout":
        raise TimeoutError("the socket was slow")
    raise ValueError("deliberate")


@registry.register
def unsendable(request: ExecutionRequest) -> Any:
    return {
        "nan": float("nan"),
        "set": {1, 2},
        "large": "x" * (17 * 2**20),
        "object": object(),
        "raising": Raising(),
        "beyond a double": [10**400],
        "raw beyond a double": msgspec.Raw(b"1e999"),
        "raw and more": msgspec.Raw(b'1,"status":"retry"'),
        "deep": deep(101),
    }[request.params["what"]]


def deep(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


@registry.register
def at_the_edge(request: ExecutionRequest) -> ExecutionOutcome:
    """What the orchestrator can just read."""
    return request.success({"digits": 10**308, "text": "9" * 400, "deep": deep(99)})


@registry.register
def raw(request: ExecutionRequest) -> ExecutionOutcome:
    return request.success(msgspec.Raw(b'{"a": [1]}'))


@registry.register
def forks_and_returns(request: ExecutionRequest) -> Any:
    """Twice, in two processes."""
    child = os.fork()
    return {"parent": bool(child)}


@registry.register
def wrong_ids(request: ExecutionRequest) -> ExecutionOutcome:
    return ExecutionOutcome.success("another", "another", 1)


@registry.register
def wrong_delay(request: ExecutionRequest) -> ExecutionOutcome:
    return ExecutionOutcome.retry(request.job_id, request.request_id, "x", "soon")  # type: ignore[arg-type]


class Raising:
    def model_dump(self, mode: str) -> Any:
        raise RuntimeError("its own fault")


@registry.register
def crash(request: ExecutionRequest) -> None:
    how = request.params.get("how", "segfault")
    if how == "exit":
        os._exit(9)
    if how == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    ctypes.string_at(0)


@registry.register
def stuck_in_c(request: ExecutionRequest) -> None:
    """Holds the interpreter lock for minutes."""
    note(request)
    re.match(r"(a+)+$", "a" * 64 + "b")


@registry.register
def asleep_in_c(request: ExecutionRequest) -> None:
    """Holds the interpreter lock for minutes and burns nothing."""
    ctypes.PyDLL(None).sleep(600)


@registry.register
def stuck_and_deaf(request: ExecutionRequest) -> None:
    """Blocks every signal that can be blocked, and leaves a child."""
    subprocess.Popen(["sleep", "600"])
    signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65))
    note(request)
    re.match(r"(a+)+$", "a" * 64 + "b")


@registry.register
def wait_for_file(request: ExecutionRequest) -> str:
    note(request)
    while not Path(request.params["file"]).exists():
        time.sleep(0.002)
    return "found"


@registry.register
def burn(request: ExecutionRequest) -> float:
    """Processor time of its own, in seconds."""
    until = time.process_time() + request.params["seconds"]
    while time.process_time() < until:
        pass
    return time.process_time()


@registry.register
def writes_into_descriptors(request: ExecutionRequest) -> str:
    for number in range(3, 1100):
        try:
            if "socket:" in os.readlink(f"/proc/self/fd/{number}"):
                os.write(number, b"\x83\xa4type\xa6Answer\xa6number\x01\xa4body\xc4\x01x")
        except OSError:
            pass
    return "done"


@registry.register
def prints(request: ExecutionRequest) -> str:
    print("printed \xe9 \udcff", flush=True)
    return sys.stdout.encoding


class Typed(ActivityHandler[dict[str, int], int]):
    """Serves a queue as well."""

    timeout = 30

    def handle(self, payload: dict[str, int], context: ActivityContext) -> int:
        if context.metadata.get("fail"):
            raise Retry("again", delay=7)
        return sum(payload.values()) + context.attempt


registry.register("typed", Typed)


@registry.register("short", timeout=0.2)
def short(request: ExecutionRequest) -> None:
    time.sleep(60)


def note(request: ExecutionRequest) -> None:
    """Says that it has begun."""
    if "note" in request.params:
        # Whoever waits for the file finds it whole.
        made = Path(request.params["note"] + ".new")
        made.write_text(str(os.getpid()))
        made.rename(request.params["note"])


class Patient(ActivityHandler[Any, str]):
    """Is warned before it is killed."""

    timeout = 30
    soft_timeout = 0.2

    def handle(self, payload: Any, context: ActivityContext) -> str:
        try:
            time.sleep(20)
        except SoftTimeout:
            return "warned"
        return "not warned"


class Saving(ActivityHandler[Any, Any]):
    def handle(self, payload: Any, context: ActivityContext) -> Any:
        found = context.checkpoint
        context.save_checkpoint({"mine": 1})
        return found


registry.register("patient", Patient)
registry.register("saving", Saving)


class Napping(ActivityHandler[Any, str]):
    """Sleeps for as long as it is told, and may be warned."""

    timeout = 30
    soft_timeout = 0.2

    def handle(self, payload: Any, context: ActivityContext) -> str:
        time.sleep(payload["seconds"])
        return "slept"


class NappingOn(ActivityHandler[Any, str]):
    """The same, and nobody has asked for a warning."""

    def handle(self, payload: Any, context: ActivityContext) -> str:
        time.sleep(payload["seconds"])
        return "slept"


registry.register("napping", Napping)
registry.register("napping_on", NappingOn)

# Of an engine, as it also serves a queue.
engine = WorkerEngine(queue_name="acts")


@engine.activity(timeout=0.3)
def limited(payload: Any) -> None:
    time.sleep(60)


@engine.activity(soft_timeout=0.2)
def warned(payload: Any) -> str:
    try:
        time.sleep(20)
    except SoftTimeout:
        return "warned"
    return "not warned"


registry.register("limited", limited)
registry.register("warned", warned)
