"""Waits for ends without polling: one subscription for all futures of one connection, one thread, made when needed.

The order is what matters: subscribe, then ask (an end before the subscription is in the answer, one after it is told);
ask again for all after each reconnect, and every few seconds as a net for what was told while nobody could hear.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Sequence
from os import urandom
from queue import SimpleQueue
from time import monotonic
from typing import Any, Final, TypeAlias
from weakref import WeakValueDictionary

from rrqmp.client.ending import Ended
from rrqmp.client.future import ActivityFuture
from rrqmp.errors import WorkerError
from rrqmp.store.calls.watch import WATCH_BITE, WatchReply, read_done_notice
from rrqmp.store.keys import QueueKeys
from rrqmp.store.notices import Notice, NoticeKind, NoticeListener

NET_SECONDS: Final = 5.0
_log: Final = logging.getLogger(__name__)

AnyFuture: TypeAlias = ActivityFuture[Any]
Sink: TypeAlias = SimpleQueue[AnyFuture]
Ask: TypeAlias = Callable[[QueueKeys, Sequence[str]], list[WatchReply]]


class Notices:
    """The waiting room of one process. `word` names its own channel in what it submits."""

    def __init__(self, open_listener: Callable[[], NoticeListener], ask: Ask) -> None:
        self.word = urandom(6).hex()
        self._open_listener = open_listener
        self._ask = ask
        self._lock = threading.Lock()
        self._listener: NoticeListener | None = None
        self._thread: threading.Thread | None = None
        self._closed = False
        # One object a connection: what was submitted under another one, or before a fork, may have ended unheard.
        self._epoch = object()
        self._standing: set[str] = set()
        self._announced: WeakValueDictionary[str, AnyFuture] = WeakValueDictionary()
        self._expected: dict[str, list[AnyFuture]] = {}
        # Activities that have a channel of their own.
        self._channels: dict[str, str] = {}
        # Only the thread touches the rest.
        self._to_ask: dict[str, None] = {}
        self._to_leave: list[str] = []
        self._last_net = monotonic()

    def reply_for(self, keys: QueueKeys) -> str:
        """What a submission to this queue says as its reply channel: nothing while nobody listens there."""
        return self.word if keys.root in self._standing else ""

    def announce(self, future: AnyFuture) -> None:
        """Before its submission is sent: the end of this one will be told on the own channel."""
        with self._lock:
            future._epoch = self._epoch
            self._announced[future.activity_id] = future

    def expect(self, futures: Iterable[AnyFuture], sink: Sink) -> None:
        """Puts each into the sink once it has ended."""
        own: dict[str, None] = {}
        channels: list[str] = []
        with self._lock:
            for future in futures:
                if future._ended is not None:
                    sink.put(future)
                    continue
                future._sinks += (sink,)
                self._expected.setdefault(future.activity_id, []).append(future)
                if future._epoch is not self._epoch:
                    channel = self._channels[future.activity_id] = future.keys.done_channel(future.activity_id)
                    channels.append(channel)
                if future.keys.root not in self._standing:
                    own[future.keys.done_channel(self.word)] = None
            if channels or own:
                self._listen().subscribe(*own, *channels)

    def forget(self, futures: Iterable[AnyFuture], sink: Sink) -> None:
        """Puts no more of these into the sink."""
        channels: list[str] = []
        with self._lock:
            for future in futures:
                if sink not in future._sinks:
                    continue
                future._sinks = tuple(other for other in future._sinks if other is not sink)
                waiting = self._expected.get(future.activity_id, [])
                if not future._sinks and future in waiting:
                    waiting.remove(future)
                    if not waiting:
                        del self._expected[future.activity_id]
                        if channel := self._channels.pop(future.activity_id, ""):
                            channels.append(channel)
            if channels and self._listener is not None:
                self._listener.unsubscribe(*channels)

    def close(self) -> None:
        """Ends the subscription and its thread; who waits is woken without an end."""
        with self._lock:
            self._closed = True
            listener, thread = self._listener, self._thread
            self._listener = self._thread = None
            for future in (future for futures in self._expected.values() for future in futures):
                for sink in future._sinks:
                    sink.put(future)
                future._sinks = ()
            self._expected.clear()
        if listener is not None:
            listener.close()
        if thread is not None and thread is not threading.current_thread():
            thread.join(timeout=NET_SECONDS)

    def _listen(self) -> NoticeListener:
        if self._listener is None:
            self._listener = self._open_listener()
            self._thread = threading.Thread(target=self._run, args=(self._listener,), name="rrqmp-notices", daemon=True)
            self._thread.start()
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
        # With something to do, only what has come already is taken first: one question for many.
        notice = listener.next(0 if self._to_ask or self._to_leave else NET_SECONDS)
        if notice is not None:
            self._take(notice)
        if self._to_leave and (notice is None or len(self._to_leave) >= WATCH_BITE):
            self._leave(listener)
        if self._to_ask and (notice is None or len(self._to_ask) >= WATCH_BITE):
            self._ask_all()
        if monotonic() - self._last_net >= NET_SECONDS:
            self._cast_net()

    def _take(self, notice: Notice) -> None:
        if notice.kind is NoticeKind.MESSAGE:
            done = read_done_notice(notice.message)
            self._deliver(done.activity_id, Ended(done.status, done.out))
        elif notice.kind is NoticeKind.SUBSCRIBED:
            self._note_standing(notice.channel)
        else:
            with self._lock:
                self._epoch = object()
            self._cast_net()

    def _note_standing(self, channel: str) -> None:
        root, _, word = channel.rpartition(":")
        if word == self.word:
            with self._lock:
                self._standing.add(root.removesuffix("done"))
        else:
            self._to_ask[word] = None

    def _cast_net(self) -> None:
        self._last_net = monotonic()
        with self._lock:
            self._to_ask.update(dict.fromkeys(self._expected))

    def _ask_all(self) -> None:
        wanted, self._to_ask = self._to_ask, {}
        by_queue: dict[QueueKeys, list[str]] = {}
        with self._lock:
            for activity_id in wanted:
                for future in self._expected.get(activity_id, ())[:1]:
                    by_queue.setdefault(future.keys, []).append(activity_id)
        for keys, ids in by_queue.items():
            for start in range(0, len(ids), WATCH_BITE):
                bite = ids[start : start + WATCH_BITE]
                for activity_id, reply in zip(bite, self._ask(keys, bite), strict=True):
                    if reply.status is None or reply.status.has_ended:
                        self._deliver(activity_id, Ended(reply.status, reply.out))

    def _deliver(self, activity_id: str, ended: Ended) -> None:
        with self._lock:
            futures = self._expected.pop(activity_id, [])
            announced = self._announced.pop(activity_id, None)
            if announced is not None and announced not in futures:
                futures.append(announced)
            for future in futures:
                future._ended = ended
                for sink in future._sinks:
                    sink.put(future)
                future._sinks = ()
            if channel := self._channels.pop(activity_id, ""):
                self._to_leave.append(channel)

    def _leave(self, listener: NoticeListener) -> None:
        """Unsubscribes from what has ended, many at a time."""
        channels, self._to_leave = self._to_leave, []
        with self._lock:
            # Somebody may wait for the same activity again.
            listener.unsubscribe(*(name for name in channels if name.rpartition(":")[2] not in self._channels))
