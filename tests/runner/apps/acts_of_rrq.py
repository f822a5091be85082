"""The same handlers for RRQ's own Python runner, which takes coroutines alone."""

import asyncio
import ctypes
import time
from pathlib import Path

from rrq.registry import Registry
from rrq.runner import ExecutionRequest
from rrq.runner_settings import PythonRunnerSettings


async def echo(request: ExecutionRequest) -> object:
    return request.params


async def asleep_in_c(request: ExecutionRequest) -> None:
    ctypes.PyDLL(None).sleep(600)


async def wait_for_file(request: ExecutionRequest) -> str:
    while not Path(request.params["file"]).exists():
        await asyncio.sleep(0.005)
    return "found"


async def burn(request: ExecutionRequest) -> float:
    until = time.process_time() + request.params["seconds"]
    while time.process_time() < until:
        pass
    return time.process_time()


registry = Registry()
for handler in (echo, asleep_in_c, wait_for_file, burn):
    registry.register(handler.__name__, handler)
settings = PythonRunnerSettings(registry=registry)
