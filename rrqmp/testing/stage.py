"""A private server in the place of every Redis: whatever executor the code under test has, it submits here.

Executors that exist already and those that are made later are led here by a property in the place of their connection,
so that nothing of the application has to be changed for its tests. Queue names stay as they are.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar
from weakref import WeakKeyDictionary

from rrqmp import aio
from rrqmp.aio.reach import AsyncReach
from rrqmp.client import submitter
from rrqmp.client.executor import ActivityExecutor
from rrqmp.client.reach import Reach
from rrqmp.client.redis_config import RedisConfig
from rrqmp.client.waiting_room import AnyHandle, Sink
from rrqmp.store.calls.enqueue import EnqueueVerdict, Submission
from rrqmp.store.connection import BlockingConnection
from rrqmp.store.keys import QueueKeys
from rrqmp.store.rules import StoreRules
from rrqmp.store.script import Call

R = TypeVar("R")
_RESEND_SECONDS = 3.0
_PLACES = ("_reach", "_telling")
# The script's name, and that of its call.
_ENQUEUE = "enqueue"


def _nothing() -> None:
    """Nothing is to be done."""


def _no_reason(handle: AnyHandle) -> str:
    """It may end."""
    return ""


def _a_loop_runs() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


class Setter(Protocol):
    """pytest's `monkeypatch`, as far as it is needed."""

    def setattr(self, target: Any, name: str, value: Any, raising: bool = ...) -> None: ...


@dataclass(frozen=True, slots=True)
class Stage:
    """`after` is called once what was submitted has been accepted; `why_never` says why a wait would never end."""

    url: str
    after: Callable[[], None] = _nothing
    why_never: Callable[[AnyHandle], str] = _no_reason

    def check_waiting(self, handles: Iterable[AnyHandle]) -> list[AnyHandle]:
        """Where it will never run, a wait is the test's mistake."""
        waited_for = list(handles)
        for handle in waited_for:
            reason = self.why_never(handle)
            if reason:
                raise AssertionError(reason)
        return waited_for

    def call_after(self) -> None:
        """Calls it where no loop runs: handlers have one of their own, and a thread bears one."""
        if not _a_loop_runs():
            self.after()
            return
        # The context tells how deep the handlers stand.
        context = contextvars.copy_context()
        with ThreadPoolExecutor(1, "rrqmp-eager") as beside:
            beside.submit(context.run, self.after).result()


class StagedReach(Reach):
    """Connections to the private server."""

    def __init__(self, stage: Stage) -> None:
        super().__init__(stage.url, RedisConfig(), resend_seconds=_RESEND_SECONDS)
        self._stage = stage
        self._run = self.run
        self.run = self._run_and_tell

    def expect(self, handles: Iterable[AnyHandle], sink: Sink) -> None:
        """Waits as usual, where there is anything to wait for."""
        super().expect(self._stage.check_waiting(handles), sink)

    def _run_and_tell(self, call: Call[R]) -> R:
        reply = self._run(call)
        if call.script.name == _ENQUEUE:
            self._stage.call_after()
        return reply


class StagedAsyncReach(AsyncReach):
    """The same for one event loop; what is to be done after a submission is done beside the loop, in a thread."""

    def __init__(self, stage: Stage) -> None:
        super().__init__(stage.url, RedisConfig(), resend_seconds=_RESEND_SECONDS)
        self._stage = stage

    async def run(self, call: Call[R]) -> R:
        """Runs a script call."""
        reply = await super().run(call)
        if call.script.name == _ENQUEUE:
            await asyncio.to_thread(self._stage.after)
        return reply

    def expect(self, handles: Iterable[AnyHandle], sink: Sink) -> None:
        """Waits as usual, where there is anything to wait for."""
        super().expect(self._stage.check_waiting(handles), sink)


@contextmanager
def staged(stage: Stage, patch: Setter) -> Iterator[None]:
    """Leads every executor of this process to the private server until `patch` is undone."""
    reach = StagedReach(stage)
    # A loop has its own: the handlers of an eager queue run on other loops than the test.
    reaches: WeakKeyDictionary[asyncio.AbstractEventLoop, StagedAsyncReach] = WeakKeyDictionary()
    without_loop = StagedAsyncReach(stage)

    def reach_of_loop() -> StagedAsyncReach:
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            return without_loop
        return reaches.setdefault(loop, StagedAsyncReach(stage))

    for place in _PLACES:
        patch.setattr(ActivityExecutor, place, _led_to(lambda: reach, place), raising=False)
        patch.setattr(aio.ActivityExecutor, place, _led_to(reach_of_loop, place), raising=False)
    try:
        yield
    finally:
        reach.close()


def watch_submissions(
    patch: Setter,
    note: Callable[[str, Sequence[Submission], Sequence[EnqueueVerdict]], None],
    change: Callable[[Submission], Submission] = lambda item: item,
) -> None:
    """Has every submission shown to `note` with what became of it; `change` may alter it before it is sent."""
    plain: Callable[..., Call[list[EnqueueVerdict]]] = getattr(submitter, _ENQUEUE)

    def watched(
        keys: QueueKeys, rules: StoreRules, items: Sequence[Submission], **options: Any
    ) -> Call[list[EnqueueVerdict]]:
        call = plain(keys, rules, [change(item) for item in items], **options)

        def read(reply: Any) -> list[EnqueueVerdict]:
            verdicts = call.read(reply)
            note(keys.queue, items, verdicts)
            return verdicts

        return call._replace(read=read)

    patch.setattr(submitter, _ENQUEUE, watched)


def empty(url: str) -> None:
    """Empties the private server, which nobody else uses."""
    with BlockingConnection(url, name="rrqmp-testing") as connection:
        connection.command("FLUSHALL")


def _led_to(find: Callable[[], object], place: str) -> property:
    def get(executor: Any) -> object:
        return find()

    def keep(executor: Any, own: object) -> None:
        # For the time after the test: the property goes, what it hid is there.
        vars(executor)[place] = own

    return property(get, keep)
