"""Executors on the real server, and a worker that is only the script calls of one."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from rrqmp.client.executor import ActivityExecutor
from rrqmp.model.attempt import Attempt, AttemptKind, Ending, encode_outcome
from rrqmp.model.codec import encode
from rrqmp.store.calls.cycle import Claim, Settlement, SlotIdent, cycle
from rrqmp.store.calls.heartbeat import heartbeat
from rrqmp.store.connection import BlockingConnection
from rrqmp.store.embedded import EmbeddedServer
from rrqmp.store.keys import QueueKeys
from rrqmp.store.rules import StoreRules

RULES = StoreRules()


def eventually(condition: Callable[[], object], patience: float = 10.0) -> None:
    """Waits for a condition, with a deadline."""
    deadline = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true in time"
        # Gives the processor to whoever is to make it true.
        time.sleep(0.001)


@dataclass
class FakeWorker:
    """Claims and settles as a worker would, when a test says so."""

    store: BlockingConnection
    keys: QueueKeys
    ident: SlotIdent = field(default_factory=lambda: SlotIdent("test@0", 0, 1))
    seq: int = 0

    def join(self) -> None:
        self.store.run(heartbeat(self.keys, RULES, self.ident.node, joining=True, slots=(0,)))

    def claim(self, *types: str, want: int = 1) -> list[tuple[Claim, str]]:
        """What is next, each with its token."""
        self.seq += 1
        reply = self.store.run(cycle(self.keys, RULES, self.ident, seq=self.seq, want=want, types=types))
        return [(claim, self.ident.token(self.seq)) for claim in reply.claims]

    def settle(self, *settlements: Settlement) -> None:
        self.seq += 1
        self.store.run(cycle(self.keys, RULES, self.ident, seq=self.seq, want=0, settlements=settlements))

    def complete_next(self, activity_type: str, result: Any = None) -> Claim:
        [(claim, token)] = self.claim(activity_type)
        attempt = Attempt(kind=AttemptKind.COMPLETED, attempt=claim.attempt)
        self.settle(Settlement(claim.activity_id, token, Ending.COMPLETED, encode_outcome(attempt, encode(result))))
        return claim

    def complete_many(self, activity_type: str, want: int, result: Any = None) -> list[Claim]:
        claims = self.claim(activity_type, want=want)
        body = encode_outcome(Attempt(kind=AttemptKind.COMPLETED), encode(result))
        self.settle(*(Settlement(claim.activity_id, token, Ending.COMPLETED, body) for claim, token in claims))
        return [claim for claim, _ in claims]

    def end_next(self, activity_type: str, ending: Ending, attempt: Attempt) -> Claim:
        [(claim, token)] = self.claim(activity_type)
        self.settle(Settlement(claim.activity_id, token, ending, encode_outcome(attempt)))
        return claim


@pytest.fixture
def executor(server: EmbeddedServer, queue_name: str) -> Iterator[ActivityExecutor]:
    with ActivityExecutor.connect(server.url, queue_name) as connected:
        yield connected


@pytest.fixture
def connect(server: EmbeddedServer, queue_name: str) -> Iterator[Callable[[], ActivityExecutor]]:
    """Further executors on the same queue."""
    made: list[ActivityExecutor] = []

    def connect_one() -> ActivityExecutor:
        made.append(ActivityExecutor.connect(server.url, queue_name))
        return made[-1]

    yield connect_one
    for executor in made:
        executor.close()


@pytest.fixture
def worker(store: BlockingConnection, keys: QueueKeys) -> FakeWorker:
    made = FakeWorker(store, keys)
    made.join()
    return made
