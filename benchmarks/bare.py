"""The baselines: two plain processes that do only the part that cannot be left out."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any, Final

import redis

from benchmarks.rig import Queue, like_a_worker
from benchmarks.spinning import spin
from rrqmp.model.attempt import Ending
from rrqmp.store.calls.cycle import Claim, Settlement, SlotIdent, cycle
from rrqmp.store.calls.heartbeat import heartbeat
from rrqmp.store.connection import BlockingConnection
from rrqmp.store.keys import QueueKeys
from rrqmp.store.rules import StoreRules

# As long as what a worker stores of an attempt.
_BODY: Final = (
    b'{"kind":"completed","attempt":1,"run_seconds":0.000012345,"cpu_seconds":0.000012345,"node":"bench12",'
    b'"slot":1,"pid":12345,"ended_at":1790000000.1234567}\nnull'
)
_NODE: Final = "bare@0000000000000000"
_fork = multiprocessing.get_context("fork")


class Pair:
    """Two processes that begin together; each sends one answer."""

    def __init__(self, target: Callable[..., Any], *arguments: object) -> None:
        self._gate = _fork.Barrier(3)
        self._pipes: list[Connection] = []
        self._processes = []
        for place in range(2):
            near, far = _fork.Pipe(duplex=False)
            process = _fork.Process(target=_play, args=(target, place, far, self._gate, *arguments), daemon=True)
            process.start()
            far.close()
            self._pipes.append(near)
            self._processes.append(process)

    def run(self) -> list[Any]:
        """Opens the gate and waits for both answers."""
        self._gate.wait(30)
        answers = [pipe.recv() for pipe in self._pipes]
        for process in self._processes:
            process.join()
        return answers


def _play(target: Callable[..., Any], place: int, pipe: Connection, gate: Any, *arguments: object) -> None:
    like_a_worker()
    pipe.send(target(place, lambda: gate.wait(30), *arguments))


def cycle_rate(url: str, queue: Queue) -> float:
    """Activities a second of two processes that only call the script, one activity a call, until the queue is empty."""
    queue.connection.run(heartbeat(queue.keys, StoreRules(lease=1000), _NODE, joining=True, slots=[0, 1]))
    answers = Pair(_cycles, url, queue.keys).run()
    began, ended = min(answer[1] for answer in answers), max(answer[2] for answer in answers)
    return float(sum(answer[0] for answer in answers) / ((ended - began) / 1e9))


def _cycles(slot: int, ready: Callable[[], object], url: str, keys: QueueKeys) -> tuple[int, int, int]:
    with BlockingConnection(url) as connection:
        ready()
        began = time.monotonic_ns()
        loop = CycleLoop(connection, keys, SlotIdent(_NODE, slot, 1))
        while loop.step(1):
            pass
        return loop.done, began, time.monotonic_ns()


class CycleLoop:
    """Settles what it claimed and claims again, with nothing in between."""

    def __init__(self, connection: BlockingConnection, keys: QueueKeys, ident: SlotIdent) -> None:
        self.done = 0
        self._connection = connection
        self._keys = keys
        self._rules = StoreRules()
        self._ident = ident
        self._seq = 0
        self._held: list[Claim] = []

    def step(self, want: int) -> int:
        """One call; how many it claimed."""
        settlements = [
            Settlement(claim.activity_id, self._ident.token(self._seq), Ending.COMPLETED, _BODY, 0, 0)
            for claim in self._held
        ]
        self._seq += 1
        self.done += len(settlements)
        call = cycle(
            self._keys, self._rules, self._ident, seq=self._seq, want=want, settlements=settlements, types=("noop",)
        )
        self._held = self._connection.run(call).claims
        return len(self._held)


def spin_rate(rounds: int, units: int) -> float:
    """Units a second of two processes that only spin."""
    return float(sum(Pair(_spins, rounds, units).run()))


def _spins(place: int, ready: Callable[[], object], rounds: int, units: int) -> float:
    ready()
    began = time.monotonic_ns()
    for _ in range(units):
        spin(rounds)
    return units / ((time.monotonic_ns() - began) / 1e9)


class HandOff:
    """A process that sleeps in BLPOP and says when it woke."""

    def __init__(self, socket_path: str) -> None:
        self._client = redis.Redis(unix_socket_path=socket_path)
        near, far = _fork.Pipe(duplex=False)
        self._answers = near
        self._process = _fork.Process(target=_pops, args=(socket_path, far), daemon=True)
        self._process.start()
        far.close()
        near.recv()

    def once(self) -> float:
        """Milliseconds from the push to the other process's first line after the pop."""
        began = time.monotonic_ns()
        self._client.lpush("bare:hand-off", b"1")
        return float((self._answers.recv() - began) / 1e6)

    def close(self) -> None:
        """Ends the other process."""
        self._client.lpush("bare:hand-off", b"")
        self._process.join()
        self._client.close()


def _pops(socket_path: str, answers: Connection) -> None:
    like_a_worker()
    client = redis.Redis(unix_socket_path=socket_path)
    client.ping()
    answers.send(0)
    while True:
        _, word = client.blpop(["bare:hand-off"])  # type: ignore[misc]  # no timeout: always a pair
        woke = time.monotonic_ns()
        if not word:
            return
        answers.send(woke)
