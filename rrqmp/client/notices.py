"""The blocking client's ear: one subscription and one thread for all its futures, made when the first one waits."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Final, TypeAlias

from rrqmp.client.waiting_room import NET_SECONDS, AnyHandle, Sink, WaitingRoom
from rrqmp.errors import WorkerError
from rrqmp.store.calls.watch import WATCH_BITE, WatchReply
from rrqmp.store.keys import QueueKeys
from rrqmp.store.notices import NoticeListener

_log: Final = logging.getLogger(__name__)

StartThread: TypeAlias = Callable[[Callable[[], None]], threading.Thread]
Ask: TypeAlias = Callable[[QueueKeys, Sequence[str]], list[WatchReply]]


class Notices:
    """The waiting room of one process, behind a lock. What arrives is taken in, and asked for, by its thread alone."""

    def __init__(
        self, open_listener: Callable[[], NoticeListener], ask: Ask, start_thread: StartThread | None = None
    ) -> None:
        self._room = WaitingRoom()
        # Bound here: it is asked for every submission, and reads one attribute and one set.
        self.reply_for = self._room.reply_for
        self._open_listener = open_listener
        self._ask = ask
        self._start_thread = start_thread or _start_thread
        self._lock = threading.Lock()
        self._listener: NoticeListener | None = None
        self._thread: threading.Thread | None = None
        self._closed = False

    def announce(self, handle: AnyHandle) -> None:
        """Before its submission is sent: the end of this one will be told on the own channel."""
        with self._lock:
            self._room.announce(handle)

    def expect(self, handles: Iterable[AnyHandle], sink: Sink) -> None:
        """Gives each to the sink once it has ended."""
        with self._lock:
            if channels := self._room.expect(handles, sink):
                self._listen().subscribe(*channels)

    def forget(self, handles: Iterable[AnyHandle], sink: Sink) -> None:
        """Gives no more of these to the sink."""
        with self._lock:
            channels = self._room.forget(handles, sink)
            if channels and self._listener is not None:
                self._listener.unsubscribe(*channels)

    def close(self) -> None:
        """Ends the subscription and its thread; who waits is woken without an end."""
        with self._lock:
            self._closed = True
            listener, thread = self._listener, self._thread
            self._listener = self._thread = None
            self._room.close()
        if listener is not None:
            listener.close()
        if thread is not None and thread is not threading.current_thread():
            thread.join(timeout=NET_SECONDS)

    def _listen(self) -> NoticeListener:
        if self._listener is None:
            self._listener = self._open_listener()
            self._thread = self._start_thread(partial(self._run, self._listener))
        return self._listener

    def _run(self, listener: NoticeListener) -> None:
        while not self._closed:
            try:
                self._step(listener)
            except WorkerError as error:
                # Waiters wait on; the net asks for them again.
                _log.debug("asking for ends failed: %s", error)
            except ValueError as error:
                _log.warning("a notice holds foreign bytes (%s); the net asks for what it may have said", error)

    def _step(self, listener: NoticeListener) -> None:
        room = self._room
        # With something to do, only what has come already is taken first: one question for many.
        notice = listener.next(0 if room.unasked or room.unleft else NET_SECONDS)
        if notice is not None:
            with self._lock:
                room.take(notice)
        if room.unleft and (notice is None or room.unleft >= WATCH_BITE):
            with self._lock:
                listener.unsubscribe(*room.channels_to_leave())
        if room.unasked and (notice is None or room.unasked >= WATCH_BITE):
            self._ask_all()
        with self._lock:
            room.cast_net(every=NET_SECONDS)

    def _ask_all(self) -> None:
        with self._lock:
            questions = self._room.questions()
        for keys, ids in questions:
            replies = self._ask(keys, ids)
            with self._lock:
                self._room.answer(ids, replies)


def _start_thread(work: Callable[[], None]) -> threading.Thread:
    thread = threading.Thread(target=work, name="rrqmp-notices", daemon=True)
    thread.start()
    return thread
