"""Handlers for every way in which an attempt can end."""

from __future__ import annotations

import os
import signal
import time
from typing import Any

from rrqmp import ActivityContext, NonRetry, Retry, WorkerEngine

engine = WorkerEngine()


@engine.activity
def echo(payload: Any) -> Any:
    return payload


@engine.activity
def pid(payload: Any) -> int:
    return os.getpid()


@engine.activity(max_retries=1)
def again(payload: Any, context: ActivityContext) -> int:
    if context.attempt == 1:
        raise Retry("once more", delay=0)
    return context.attempt


@engine.activity
def refuse(payload: Any) -> None:
    raise NonRetry("no")


@engine.activity
def obey(payload: Any, context: ActivityContext) -> None:
    while not context.cancel_token.is_cancelled():
        time.sleep(0.001)
    raise NonRetry("cancelled")


@engine.activity(max_retries=0)
def hang(payload: Any) -> None:
    while True:
        pass


@engine.activity(max_retries=0)
def die(payload: Any) -> None:
    os.kill(os.getpid(), signal.SIGSEGV)


@engine.activity
def nap(payload: float) -> None:
    time.sleep(payload)
