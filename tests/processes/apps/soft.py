"""Handlers that meet a soft limit, each in its own way."""

from __future__ import annotations

import asyncio
import itertools
import os
import signal
import time
from typing import Any

from notes import App, note

from rrqmp.errors import SoftTimeout
from rrqmp.handling.context import ActivityContext
from rrqmp.kernel.signals import SOFT_LIMIT
from rrqmp.model.retry import RetryPolicy

engine = App()
ONCE = RetryPolicy(max_retries=0)
LIMITS: dict[str, Any] = {"timeout": 10, "soft_timeout": 0.15, "retry": ONCE}


def add(function: Any) -> Any:
    return engine.add(function, **LIMITS)


@add
def sleeps(payload: Any) -> str:
    time.sleep(30)
    return "slept"


@add
def spins(payload: Any) -> str:
    while True:
        pass


@add
def catches(payload: Any, context: ActivityContext) -> list[Any]:
    done, began = 0, time.monotonic()
    try:
        while True:
            done += 1
    except SoftTimeout:
        return [done > 0, time.monotonic() - began]


@add
def swallows_exceptions(payload: Any) -> str:
    while True:
        try:
            time.sleep(30)
        except Exception:
            return "caught by except Exception"


@add
def shields(payload: Any, context: ActivityContext) -> str:
    """What the shield covers is whole, what comes after it is not reached."""
    with context.shield(), context.shield():
        time.sleep(0.4)
        note(payload, context, "shielded")
    note(payload, context, "after")
    return "after"


@add
def shields_and_fails(payload: Any, context: ActivityContext) -> str:
    with context.shield():
        time.sleep(0.3)
        raise ValueError("its own")


@add
async def awaits(payload: Any) -> str:
    await asyncio.sleep(30)
    return "slept"


@add
async def awaits_and_catches(payload: Any) -> str:
    try:
        await asyncio.sleep(30)
    except asyncio.CancelledError:
        return "partial"
    return "slept"


@add
async def awaits_in_a_shield(payload: Any, context: ActivityContext) -> str:
    with context.shield():
        await asyncio.sleep(0.4)
        note(payload, context, "shielded")
    await asyncio.sleep(30)
    return "slept"


def in_c(payload: Any) -> str:
    """C code that holds the interpreter lock hears of nothing."""
    sum(itertools.repeat(0))
    return "slept"


engine.add(in_c, timeout=0.6, soft_timeout=0.1, retry=ONCE)


def deafens(payload: Any) -> str:
    """Does to the signal of its soft limit whatever can be done to one."""
    if payload == "block":
        signal.pthread_sigmask(signal.SIG_BLOCK, set(signal.Signals))
        signal.pthread_sigmask(signal.SIG_BLOCK, {SOFT_LIMIT})
    else:
        signal.signal(SOFT_LIMIT, signal.SIG_DFL if payload == "default" else signal.SIG_IGN)
    while True:
        pass


engine.add(deafens, timeout=0.5, soft_timeout=0.1, retry=ONCE)


@engine.add
def deafens_for_the_next(payload: Any) -> int:
    """And leaves it so."""
    signal.signal(SOFT_LIMIT, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_BLOCK, {SOFT_LIMIT})
    return os.getpid()


@add
def quick(payload: Any) -> int:
    """Ends near its soft limit, which must then do nothing to anybody."""
    time.sleep(payload)
    return 1


@engine.add
def unlimited(payload: Any) -> int:
    end = time.monotonic() + payload
    while time.monotonic() < end:
        pass
    return 1


@add
def waits_for_a_child(payload: Any, context: ActivityContext) -> list[Any]:
    """Nobody serves what it waits for."""
    child = context.activity_executor.execute("nobody serves this", 1)
    try:
        child.get_result()
    except SoftTimeout:
        return [child.status().value, context.activity_executor.execute("nobody serves this", 2).status().value]
    return []


@add
def saves(payload: Any, context: ActivityContext) -> None:
    """In our own code nearly all the time."""
    while True:
        context.save_checkpoint({"at": time.monotonic()})
