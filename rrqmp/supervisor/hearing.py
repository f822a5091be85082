"""What workers say on their channels, and what their silence means."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import msgspec

from rrqmp.shared_state import messages
from rrqmp.shared_state.messages import Answer, Idle, Leaving, Ready, Settled
from rrqmp.store.calls.cycle import CycleStatus
from rrqmp.supervisor.ladder import Ladder
from rrqmp.supervisor.log import LOGGER
from rrqmp.supervisor.worker_handle import Stage, WorkerHandle

# The store lets a worker claim no more: the node has been fenced, and its next beat will say so.
_REFUSALS: Final = (CycleStatus.FENCED.value, CycleStatus.SUPERSEDED.value)
# A leaving worker tells its sink and its exporter the rest, two seconds each, and runs the exit hooks of the
# application's libraries; it gets no longer than this.
_LEAVE_SECONDS: Final = 5.0


@dataclass(frozen=True, slots=True)
class HearingEvents:
    """What the crew wants to hear."""

    on_ready: Callable[[WorkerHandle], None]
    on_settled: Callable[[WorkerHandle], None]
    on_refused: Callable[[], None]
    # Where workers are given jobs: that one waits for the next, or its answer with the descriptors that came along.
    on_word: Callable[[WorkerHandle, Idle | Answer, list[int]], None] | None = None


class Hearing:
    """Reads every channel from the announcement of its process to its death."""

    def __init__(self, ladder: Ladder, events: HearingEvents) -> None:
        self._ladder = ladder
        self._events = events

    def listen(self, handle: WorkerHandle) -> None:
        """Begins to read; needs the running loop."""
        asyncio.get_running_loop().add_reader(handle.channel.fileno(), self._read, handle)

    def catch_up(self, handle: WorkerHandle) -> None:
        """Reads to the end the channel of a dead worker: a word sent just before the death still counts."""
        asyncio.get_running_loop().remove_reader(handle.channel.fileno())
        while True:
            try:
                message, descriptors = _next(handle)
            except OSError:
                return
            if message is None:
                return
            self._heard(handle, message, descriptors)

    def _read(self, handle: WorkerHandle) -> None:
        try:
            message, descriptors = _next(handle)
        except BlockingIOError:
            return
        except OSError:
            message, descriptors = None, []
        if message is None:
            # Mostly its death, which the pidfd tells in a moment. A handler that closed all descriptors looks the same:
            # its worker hears no orders any more and has to be replaced.
            asyncio.get_running_loop().remove_reader(handle.channel.fileno())
            self._expect_end(handle)
        else:
            self._heard(handle, message, descriptors)

    def _heard(self, handle: WorkerHandle, message: messages.Message, descriptors: list[int]) -> None:
        if self._events.on_word is not None and isinstance(message, Idle | Answer):
            self._events.on_word(handle, message, descriptors)
            return
        for descriptor in descriptors:
            # A handler's own doing: no other word brings any.
            os.close(descriptor)
        match message:
            case Ready():
                handle.become(Stage.READY)
                self._events.on_ready(handle)
            case Settled():
                self._events.on_settled(handle)
            case Leaving():
                handle.become(Stage.LEAVING)
                if message.reason in _REFUSALS:
                    self._events.on_refused()
                self._expect_end(handle)
            case _:
                LOGGER.error("worker in %s sent %r: killed", handle, message)
                self._ladder.kill(handle)

    def _expect_end(self, handle: WorkerHandle) -> None:
        asyncio.get_running_loop().call_later(_LEAVE_SECONDS, self._linger, handle)

    def _linger(self, handle: WorkerHandle) -> None:
        if handle.stage is Stage.DEAD:
            return
        if handle.page.busy:
            # The handler that closed the channel is still at it: its own deadline is what ends it, if it must be ended.
            self._expect_end(handle)
            return
        handle.notes.append("did not leave in time")
        self._ladder.kill(handle)


def _next(handle: WorkerHandle) -> tuple[messages.Message | None, list[int]]:
    """The next message, `None` at the end of the stream; what a handler wrote into the channel is passed over."""
    while True:
        try:
            return messages.receive(handle.channel)
        except msgspec.MsgspecError:
            LOGGER.warning("a handler in %s wrote into a descriptor that is not its own", handle)
