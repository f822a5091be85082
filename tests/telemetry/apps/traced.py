"""Handlers whose attempts make spans; the collector's address comes in the environment."""

from __future__ import annotations

import os
import signal
import time
from typing import Any

from opentelemetry import trace

from rrqmp import ActivityContext, NonRetry, WorkerEngine

engine = WorkerEngine(tracing=True)


@engine.activity
def leaf(payload: Any) -> str:
    """Makes a span of its own, as a library below it would."""
    with trace.get_tracer("library").start_as_current_span("inside"):
        return format(trace.get_current_span().get_span_context().trace_id, "032x")


@engine.activity
def parent(payload: Any, context: ActivityContext) -> str:
    return str(context.activity_executor.execute("leaf", 1).get_result(10))


@engine.activity
async def async_parent(payload: Any, context: Any) -> str:
    return str(await (await context.activity_executor.execute("leaf", 1)))


@engine.activity
def refuse(payload: Any) -> None:
    raise NonRetry("no such thing")


@engine.activity(max_retries=0)
def parent_that_hangs(payload: Any, context: ActivityContext) -> None:
    context.activity_executor.execute("leaf", 1).get_result(10)
    while True:
        pass


@engine.activity(max_retries=0)
def die(payload: Any) -> None:
    time.sleep(0.05)
    os.kill(os.getpid(), signal.SIGSEGV)
