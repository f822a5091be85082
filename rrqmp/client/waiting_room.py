"""Who waits for which ends, and what has to be said and asked so that each is heard. No I/O, no lock, no loop.

The blocking and the asyncio client each bring a subscription of their own to it. The order is what matters: subscribe,
then ask (an end before the subscription is in the answer, one after it is told); ask again for all after each
reconnect, and every few seconds as a net for what was told while nobody could hear.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from os import urandom
from time import monotonic
from typing import Any, Final, TypeAlias
from weakref import WeakValueDictionary

from rrqmp.client.ending import Ended
from rrqmp.client.handle import ActivityHandle
from rrqmp.store.calls.watch import WATCH_BITE, WatchReply, read_done_notice
from rrqmp.store.keys import QueueKeys
from rrqmp.store.notices import Notice, NoticeKind

NET_SECONDS: Final = 5.0

AnyHandle: TypeAlias = ActivityHandle[Any]
# Takes each waited-for activity once it has ended, or, still without an end, when the room is closed.
Sink: TypeAlias = Callable[[Any], None]


class WaitingRoom:
    """The waits of one connection. `word` names its own channel in what it submits."""

    def __init__(self) -> None:
        self.word = urandom(6).hex()
        # One object a connection: what was submitted under another one, or before a fork, may have ended unheard.
        self._epoch = object()
        self._standing: set[str] = set()
        self._announced: WeakValueDictionary[str, AnyHandle] = WeakValueDictionary()
        self._expected: dict[str, list[AnyHandle]] = {}
        # Activities that have a channel of their own.
        self._channels: dict[str, str] = {}
        self._to_ask: dict[str, None] = {}
        self._to_leave: list[str] = []
        self._last_net = monotonic()

    def reply_for(self, keys: QueueKeys) -> str:
        """What a submission to this queue says as its reply channel: nothing while nobody listens there."""
        return self.word if keys.root in self._standing else ""

    def announce(self, handle: AnyHandle) -> None:
        """Before its submission is sent: the end of this one will be told on the own channel."""
        # One handle an activity: a second one of the same is to ask, like a stranger's.
        if self._announced.setdefault(handle.activity_id, handle) is handle:
            handle._epoch = self._epoch

    def expect(self, handles: Iterable[AnyHandle], sink: Sink) -> list[str]:
        """Gives each to the sink once it has ended, at once if it has; returns the channels to subscribe to."""
        own: dict[str, None] = {}
        channels: list[str] = []
        for handle in handles:
            if handle._ended is not None:
                sink(handle)
                continue
            handle._sinks += (sink,)
            self._expected.setdefault(handle.activity_id, []).append(handle)
            if handle._epoch is not self._epoch:
                channel = self._channels[handle.activity_id] = handle.keys.done_channel(handle.activity_id)
                channels.append(channel)
            if handle.keys.root not in self._standing:
                own[handle.keys.done_channel(self.word)] = None
        return [*own, *channels]

    def forget(self, handles: Iterable[AnyHandle], sink: Sink) -> list[str]:
        """Gives no more of these to the sink; returns the channels to leave."""
        channels: list[str] = []
        for handle in handles:
            if sink not in handle._sinks:
                continue
            handle._sinks = tuple(other for other in handle._sinks if other != sink)
            waiting = self._expected.get(handle.activity_id, [])
            if not handle._sinks and handle in waiting:
                waiting.remove(handle)
                if not waiting:
                    del self._expected[handle.activity_id]
                    if channel := self._channels.pop(handle.activity_id, ""):
                        channels.append(channel)
        return channels

    def take(self, notice: Notice) -> None:
        """What the subscription says; raises `ValueError` where a message holds foreign bytes."""
        if notice.kind is NoticeKind.MESSAGE:
            done = read_done_notice(notice.message)
            self._deliver(done.activity_id, Ended(done.status, done.out))
        elif notice.kind is NoticeKind.SUBSCRIBED:
            self._note_standing(notice.channel)
        else:
            self._epoch = object()
            self.cast_net()

    def cast_net(self, *, every: float = 0.0) -> None:
        """Has all be asked for, if the last time was `every` seconds ago."""
        now = monotonic()
        if now - self._last_net >= every:
            self._last_net = now
            self._to_ask.update(dict.fromkeys(self._expected))

    @property
    def unasked(self) -> int:
        """How many are to be asked for."""
        return len(self._to_ask)

    @property
    def unleft(self) -> int:
        """How many channels are to be left."""
        return len(self._to_leave)

    def questions(self) -> list[tuple[QueueKeys, Sequence[str]]]:
        """What to ask now, in bites that one call takes; `answer` wants each reply."""
        wanted, self._to_ask = self._to_ask, {}
        by_queue: dict[QueueKeys, list[str]] = {}
        for activity_id in wanted:
            for handle in self._expected.get(activity_id, ())[:1]:
                by_queue.setdefault(handle.keys, []).append(activity_id)
        return [
            (keys, ids[start : start + WATCH_BITE])
            for keys, ids in by_queue.items()
            for start in range(0, len(ids), WATCH_BITE)
        ]

    def answer(self, ids: Sequence[str], replies: Sequence[WatchReply]) -> None:
        """The reply to one question."""
        for activity_id, reply in zip(ids, replies, strict=True):
            if reply.status is None or reply.status.has_ended:
                self._deliver(activity_id, Ended(reply.status, reply.out))

    def channels_to_leave(self) -> list[str]:
        """The channels of what has ended, once."""
        channels, self._to_leave = self._to_leave, []
        # Somebody may wait for the same activity again.
        return [name for name in channels if name.rpartition(":")[2] not in self._channels]

    def close(self) -> None:
        """Wakes all who wait, without an end."""
        for handle in [handle for handles in self._expected.values() for handle in handles]:
            for sink in handle._sinks:
                sink(handle)
            handle._sinks = ()
        self._expected.clear()

    def _note_standing(self, channel: str) -> None:
        root, _, word = channel.rpartition(":")
        if word == self.word:
            self._standing.add(root.removesuffix("done"))
        else:
            self._to_ask[word] = None

    def _deliver(self, activity_id: str, ended: Ended) -> None:
        handles = self._expected.pop(activity_id, [])
        announced = self._announced.pop(activity_id, None)
        if announced is not None and announced not in handles:
            handles.append(announced)
        for handle in handles:
            handle._ended = ended
            for sink in handle._sinks:
                sink(handle)
            handle._sinks = ()
        if channel := self._channels.pop(activity_id, ""):
            self._to_leave.append(channel)
