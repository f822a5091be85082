"""Where a worker's work comes from: the queues it serves, in strict order or by weights.

Owns the call numbers of this process, the choice of the next queue and the idle wait. What to do with an activity is
the life's affair.
"""

from __future__ import annotations

import logging
import random
import select
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from rrqmp.errors import StoreError
from rrqmp.shared_state.messages import WorkerConfig
from rrqmp.store.calls.cycle import Claim, CycleReply, CycleStatus, Settlement, SlotIdent, cycle
from rrqmp.store.connection import BlockingConnection
from rrqmp.store.keys import QueueKeys
from rrqmp.store.rules import StoreRules
from rrqmp.store.script import Call

_POLL_JITTER: Final = 0.2
# A claim that is ready before the wake-up names all types as woken; of more types that costs more than it saves.
_MOST_NAMED: Final = 20
_SPOILT_SECONDS: Final = 1.0
_log: Final = logging.getLogger("rrqmp.worker")


class Woken(StrEnum):
    """Why an idle wait ended."""

    WORK = "work"
    ORDER = "order"


class NotOurs(Exception):
    """The store no longer lets this process claim: fenced, or a successor has spoken. `status` says which."""

    def __init__(self, status: CycleStatus) -> None:
        super().__init__(status.value)
        self.status = status


@dataclass(frozen=True, slots=True)
class Batch:
    """What one call claimed: all from one queue, all under one token."""

    queue: int
    seq: int
    token: str
    claims: list[Claim]


@dataclass(frozen=True, slots=True)
class Ended:
    """What has ended and is not yet settled: all from one queue."""

    queue: int
    settlements: list[Settlement]


NOTHING_ENDED: Final = Ended(0, [])


class QueueSource:
    """Claims and settles for one process of one slot."""

    def __init__(
        self,
        connection: BlockingConnection,
        config: WorkerConfig,
        rules: StoreRules,
        types: Sequence[str],
        ident: SlotIdent,
    ) -> None:
        self.connection = connection
        self.ident = ident
        self.types = tuple(types)
        self.rules = rules
        self.keys = [QueueKeys(name, config.prefix) for name, _ in config.queues]
        self._weights = [weight for _, weight in config.queues] if config.weighted else None
        self._poll_seconds = config.poll_seconds
        self._seq = 0
        self._all_types = self.types
        # Types that are left alone for a while, each with the monotonic time at which it is served again.
        self._aside: dict[str, float] = {}
        self._wakes = self._wakes_of(self.types)
        self._woken: list[list[str]] = [[] for _ in self.keys]
        self._claims_at_once = len(self.keys) == 1 and 0 < len(self.types) <= _MOST_NAMED
        # What the claim at the wake-up has brought is the answer to the next call of `claim`.
        self._asked = False
        self._early: Batch | None = None

    def claim(self, ended: Ended, want: int) -> Batch | None:
        """Settles what has ended and claims up to `want`: one call where one queue is served; `None` if all are empty.

        Raises `NotOurs` once nothing may be claimed any more; what had ended is settled by then where it could be.
        """
        if self._asked:
            self._asked, early = False, self._early
            return early
        if self._aside:
            self._bring_back()
        unsettled = bool(ended.settlements)
        for queue in self._order():
            mine = unsettled and queue == ended.queue
            try:
                reply = self._cycle(queue, want, ended.settlements if mine else ())
            except NotOurs:
                if unsettled and not mine:
                    self._cycle(ended.queue, 0, ended.settlements)
                raise
            if mine:
                unsettled = False
            if reply.claims:
                seq = self._seq
                if unsettled:
                    # Another queue came first: what has ended must not wait for the new one to end too.
                    self._cycle(ended.queue, 0, ended.settlements)
                return Batch(queue, seq, self.ident.token(seq), reply.claims)
        return None

    def set_aside(self, activity_type: str, seconds: float) -> None:
        """Claims no activity of this type for so long; what is held of it goes back by the next statement."""
        self._aside[activity_type] = time.monotonic() + seconds
        self._choose()

    def _bring_back(self) -> bool:
        """Serves again what has been aside for long enough; true if that is any type."""
        now = time.monotonic()
        over = [kind for kind, until in self._aside.items() if until <= now]
        for kind in over:
            del self._aside[kind]
        if over:
            self._choose()
        return bool(over)

    def _choose(self) -> None:
        self.types = tuple(kind for kind in self._all_types if kind not in self._aside)
        self._wakes = self._wakes_of(self.types)

    def _wakes_of(self, types: Sequence[str]) -> dict[str, tuple[int, str]]:
        return {keys.wake(kind): (place, kind) for place, keys in enumerate(self.keys) for kind in types}

    def settle(self, ended: Ended) -> CycleReply:
        """Settles, and gives back whatever else the slot is said to hold in that queue."""
        return self._cycle(ended.queue, 0, ended.settlements)

    def give_back_all(self, *, but: int | None = None) -> None:
        """Gives back what the slot is said to hold in any queue: what a predecessor had claimed and not started.

        `but` is a queue for which this process has spoken already: any statement gives back what it does not name.
        """
        for queue in range(len(self.keys)):
            if queue != but:
                self._cycle(queue, 0, ())

    def wait(self, channel: int, want: int, claiming: Callable[[], None]) -> Woken:
        """Sleeps until one of the queues may have work, until an order comes, or for the poll interval.

        Where one queue is served, the claim of up to `want` lies ready and goes out first thing at the wake-up, after a
        call of `claiming`: the code that reads a reply and packs a call is cold then and costs half the server's time.
        What has come is handed out by `claim`. An order leaves the pop unanswered: the caller is to leave, or to close
        the connection.
        """
        connection = self.connection
        seconds = self._poll_seconds * (1 - _POLL_JITTER * random.random())
        if self._aside:
            if self._bring_back():
                return Woken.WORK
            seconds = min(seconds, max(0.01, min(self._aside.values()) - time.monotonic()))
            if not self.types:
                return _wait_for_order(channel, seconds)
        call = self._call(0, want, (), self.types) if self._claims_at_once else None
        connection.begin_pop(tuple(self._wakes), seconds, call)
        if not connection.reply_ready():
            poller = select.poll()
            poller.register(connection.fileno(), select.POLLIN)
            poller.register(channel, select.POLLIN)
            if any(descriptor == channel for descriptor, _ in poller.poll()):
                return Woken.ORDER
        if call is not None:
            claiming()
            connection.follow()
        key = connection.end_pop()
        if call is not None:
            reply = self._accept(self._run(call, connection.end_call), want)
            self._asked = True
            self._early = Batch(0, self._seq, self.ident.token(self._seq), reply.claims) if reply.claims else None
        elif key is not None and key in self._wakes:
            queue, kind = self._wakes[key]
            self._woken[queue].append(kind)
        return Woken.WORK

    def _order(self) -> Sequence[int]:
        places, weights = range(len(self.keys)), self._weights
        if weights is None or len(places) == 1:
            return places
        # A weighted shuffle: each place is drawn among those left in proportion to its weight.
        return sorted(places, key=lambda place: random.random() ** (1 / weights[place]), reverse=True)

    def _cycle(self, queue: int, want: int, settlements: Sequence[Settlement]) -> CycleReply:
        woken, self._woken[queue] = self._woken[queue], []
        return self._accept(self._run(self._call(queue, want, settlements, woken), self.connection.run), want)

    def _call(self, queue: int, want: int, settlements: Sequence[Settlement], woken: Sequence[str]) -> Call[CycleReply]:
        self._seq += 1
        return cycle(
            self.keys[queue],
            self.rules,
            self.ident,
            seq=self._seq,
            want=want,
            settlements=settlements,
            types=self.types,
            woken=woken,
        )

    def _accept(self, reply: CycleReply, want: int) -> CycleReply:
        if reply.status is CycleStatus.SUPERSEDED or (reply.status is CycleStatus.FENCED and want):
            raise NotOurs(reply.status)
        return reply

    def _run(self, call: Call[CycleReply], ask: Callable[[Call[CycleReply]], CycleReply]) -> CycleReply:
        """Makes the call until the server can answer: a stranger's value under a main key stops the queue, not us."""
        while True:
            try:
                return ask(call)
            except StoreError as error:
                _log.error("the queue cannot be used, trying again in %g s: %s", _SPOILT_SECONDS, error)
                time.sleep(_SPOILT_SECONDS)
            ask = self.connection.run


def _wait_for_order(channel: int, seconds: float) -> Woken:
    poller = select.poll()
    poller.register(channel, select.POLLIN)
    return Woken.ORDER if poller.poll(seconds * 1000) else Woken.WORK
