"""Handlers that cannot be stopped by asking, and handlers that end their process."""

from __future__ import annotations

import ctypes
import faulthandler
import itertools
import os
import signal
import socket
import sys
import threading
import time
from typing import Any

from notes import App, note

from rrqmp.handling.context import ActivityContext
from rrqmp.model.retry import RetryPolicy

engine = App()
ONCE = RetryPolicy(max_retries=0)
# Crashes after the first wait by this.
SOON = RetryPolicy(max_retries=3, base=0.005, cap=0.01, jitter=0)


def act(function: Any) -> Any:
    return engine.add(function, retry=SOON)


@act
def spin(payload: Any) -> None:
    while True:
        pass


@act
def c_spin(payload: Any) -> int:
    return sum(itertools.repeat(0))


@act
def c_sleep(payload: Any) -> None:
    ctypes.CDLL(None).sleep(600)


@act
def blocks_signals(payload: Any) -> None:
    signal.pthread_sigmask(signal.SIG_BLOCK, range(1, signal.NSIG))
    while True:
        pass


@act
def leaves_signals_blocked(payload: Any) -> None:
    signal.pthread_sigmask(signal.SIG_BLOCK, range(1, signal.NSIG))


@act
def replaces_handlers(payload: Any) -> None:
    for number in range(1, signal.NSIG):
        try:
            signal.signal(number, signal.SIG_IGN)
        except (OSError, ValueError):
            pass
    faulthandler.disable()
    while True:
        pass


@act
def closes_descriptors(payload: Any) -> None:
    os.closerange(0, 1024)
    while True:
        pass


@act
def closes_and_returns(payload: Any) -> str:
    os.closerange(0, 1024)
    return "done"


@act
def writes_where_our_dump_was(payload: Any, context: ActivityContext) -> None:
    """All low descriptors become one file of the handler's own."""
    own = os.open(payload["own"], os.O_WRONLY | os.O_CREAT, 0o600)
    for number in range(3, 1024):
        if number != own:
            os.dup2(own, number)
    os.write(own, b"mine")
    while True:
        pass


@act
def has_threads(payload: Any) -> None:
    for _ in range(payload["number"]):
        threading.Thread(target=time.sleep, args=(600,), daemon=True).start()
    while True:
        pass


@act
def stops_itself(payload: Any) -> None:
    os.kill(os.getpid(), signal.SIGSTOP)
    while True:
        pass


@act
def segfault(payload: Any) -> None:
    ctypes.string_at(0)


@act
def abort(payload: Any) -> None:
    os.abort()


@act
def leave_hard(payload: Any) -> None:
    os._exit(5)


@act
def leave(payload: Any) -> None:
    sys.exit(5)


@act
def overflow(payload: Any) -> int:
    """Recursion in C without a bound: a million open brackets for the C library's parser of patterns."""
    return int(ctypes.CDLL(None).regcomp(ctypes.create_string_buffer(256), b"(" * 1_000_000, 1))


@act
def kill_self(payload: Any) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


@act
def writes_into_our_channel(payload: Any) -> None:
    """As a library does that writes to a number which was its own once; then the process dies."""
    for number in map(int, os.listdir("/proc/self/fd")):
        try:
            with socket.socket(fileno=os.dup(number)) as copy:
                if copy.type == socket.SOCK_SEQPACKET:
                    copy.send(b"x")
        except OSError:
            continue
    os.abort()


@act
def crash_once(payload: Any, context: ActivityContext) -> int:
    note(payload, context)
    if context.attempt == 1:
        os.abort()
    return context.attempt


@act
def tell(payload: Any, context: ActivityContext) -> int:
    note(payload, context)
    return context.attempt


@act
def near(payload: Any, context: ActivityContext) -> int:
    """Ends within a millisecond of its deadline, before or after it."""
    note(payload, context)
    end = context.deadline + payload["offset_ns"]
    while time.monotonic_ns() < end:
        pass
    return context.attempt
