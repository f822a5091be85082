"""One episode: random moves of a small fleet over one queue, then a drain that must bring everything to its end."""

from __future__ import annotations

import random
from itertools import chain
from typing import Any, TypeVar

from rrqmp.errors import StoreError
from rrqmp.model.attempt import Ending
from rrqmp.store.calls.cycle import CycleReply, CycleStatus, Settlement, Verdict, cycle
from rrqmp.store.calls.ends import ReclaimCause, reclaim
from rrqmp.store.calls.enqueue import Acceptance, Submission, enqueue
from rrqmp.store.calls.heartbeat import heartbeat
from rrqmp.store.connection import BlockingConnection
from rrqmp.store.keys import QueueKeys
from rrqmp.store.rules import StoreRules
from rrqmp.store.script import Call
from tests.store.explorer.fleet import Node, Process
from tests.store.explorer.invariants import faults, faults_between
from tests.store.explorer.promises import broken_promises, promises_broken_between
from tests.store.explorer.shelf import CLOCK_KEY, Shelf
from tests.store.explorer.snapshot import Snapshot, take_snapshot

R = TypeVar("R")
TYPES = ("a", "b:c", "d")
SLOTS = 2
LEASE_US = 10_000_000
_BODY = b'{"kind":"failed"}'


class Broken(AssertionError):
    """An invariant does not hold; the message is the whole report."""


class Episode:
    """The state of the play, and the calls that every move is made of."""

    def __init__(self, store: BlockingConnection, queue: str, seed: int, shelf: Shelf) -> None:
        self.store = store
        self.keys = QueueKeys(queue)
        self.rules = StoreRules(max_crashes=3, max_losses=4, lease=LEASE_US / 1e6)
        self.random = random.Random(seed)
        self.shelf = shelf
        self.seed = seed
        self.nodes = [Node("n1"), Node("n2")]
        self.accepted: set[str] = set()
        self.forgiven: set[str] = set()
        self.settled: set[tuple[str, str]] = set()
        self.late: list[Call[Any]] = []
        self.expired: dict[str, Node | None] = {}
        self.reclaimed: set[str] = set()
        self.forgetful = False
        self.trace: list[str] = []
        self.clock_us = 0
        self.made = 0
        self.last = Snapshot()
        for node in self.nodes:
            node.reboot(SLOTS)
            self.beat(node, joining=True)

    # Calls and what is checked after each.

    def call(self, what: str, call: Call[R], *, may_end_again: bool = False) -> R:
        """Runs one real script call and checks every invariant."""
        self.trace.append(what)
        began_us = self.now_us()
        try:
            reply = self.store.run(call._replace(script=self.shelf.edited(call.script)))
        except StoreError as error:
            raise self.broken(f"a script failed: {error}") from error
        self.check(may_end_again=may_end_again, began_us=began_us)
        return reply

    def now_us(self) -> int:
        """The time as the scripts are told it."""
        seconds, microseconds = self.store.command("TIME")
        return int(seconds) * 1_000_000 + int(microseconds) + self.clock_us

    def check(self, *, may_end_again: bool = False, began_us: int | None = None) -> None:
        now = take_snapshot(self.store, self.keys)
        for fault in chain(faults(now), broken_promises(now)):
            raise self.broken(fault)
        for fault in faults_between(self.last, now, may_end_again=may_end_again):
            raise self.broken(fault)
        if began_us is not None:
            for fault in promises_broken_between(self.last, now, began_us, self.now_us()):
                raise self.broken(fault)
        lost = self.accepted - now.records.keys() - now.foreign - self.forgiven
        if lost:
            raise self.broken(f"accepted and gone: {sorted(lost)}")
        self.last = now

    def broken(self, fault: str) -> Broken:
        tail = "\n  ".join(self.trace[-25:])
        return Broken(f"{fault}\nseed {self.seed}, last moves:\n  {tail}")

    def advance(self, microseconds: int) -> None:
        self.clock_us += microseconds
        self.trace.append(f"clock {microseconds / 1e6:+.1f} s")
        self.store.command("SET", self.keys.root + CLOCK_KEY, str(self.clock_us))

    # Submissions.

    def submit(self, *, delay_us: int = 0, expires_us: int = 0, parent: str = "") -> None:
        self.made += 1
        activity_id = f"x{self.made}"
        item = Submission(
            activity_id,
            self.random.choice(TYPES),
            b'{"reply":"me","parent":"%s"}\n{}' % parent.encode(),
            self.random.randrange(4),
            delay_us=delay_us,
            key=self.random.choice(("", "", "k1", "k2")),
            expires_us=expires_us,
            parent=parent,
        )
        call = enqueue(self.keys, self.rules, [item])
        for what in ("enqueue", "enqueue again")[: self.random.choice((1, 1, 2))]:
            (verdict,) = self.call(f"{what} {activity_id} {item.activity_type}", call)
            if what == "enqueue again" and verdict.kind is not Acceptance.EXISTS:
                raise self.broken(f"a repeated submission was {verdict.kind}")
        self.accepted.add(activity_id)
        if self.random.random() < 0.1:
            self.late.append(call)

    # Workers.

    def work(self, process: Process) -> None:
        """One call of a process: the one whose answer it waits for, or a new one."""
        if process.pending is None:
            self._prepare(process)
        assert process.pending is not None
        fate = self.random.random()
        if fate < 0.08:
            # Never arrives, or arrives much later.
            self.late.append(process.pending)
            self.trace.append(f"cycle {process.ident} seq {process.pending_seq} is delayed")
            return
        reply = self.call(self._describe(process), process.pending)
        if fate < 0.2:
            self.trace.append("  its reply is lost")
            return
        if fate < 0.3:
            self.late.append(process.pending)
        self._hear(process, reply)

    def _prepare(self, process: Process) -> None:
        process.seq += 1
        settlements = [self._settlement(*item) for item in process.held.items() if self.random.random() < 0.7]
        if process.report:
            settlements = [self._settlement(*process.report, endings=(Ending.CRASH, Ending.DEAD, Ending.RETRY))]
        elif process.past and self.random.random() < 0.3:
            settlements.insert(0, self._settlement(*self.random.choice(process.past)))
        want = 0 if process.report else self.random.choice((0, 1, 1, 2, 3))
        types = self.random.sample(TYPES, self.random.randint(1, len(TYPES)))
        process.pending_settlements = tuple(settlements)
        process.pending_seq = process.seq
        process.pending = cycle(
            self.keys, self.rules, process.ident, seq=process.seq, want=want, settlements=settlements, types=types,
            woken=types[:1],
        )  # fmt: skip

    def _settlement(self, activity_id: str, token: str, endings: tuple[Ending, ...] = ()) -> Settlement:
        ending = self.random.choice(
            endings
            or (Ending.COMPLETED, Ending.COMPLETED, Ending.RETRY, Ending.DEAD, Ending.CRASH, Ending.RELEASE,
                Ending.CANCELLED)
        )  # fmt: skip
        return Settlement(activity_id, token, ending, _BODY, self.random.choice((0, 1_000_000)))

    def _describe(self, process: Process) -> str:
        named = " ".join(f"{s.activity_id}:{s.token}:{s.ending}" for s in process.pending_settlements)
        return f"cycle {process.ident.token(process.pending_seq)} settles [{named}]"

    def _hear(self, process: Process, reply: CycleReply) -> None:
        process.pending = None
        if reply.status is CycleStatus.SUPERSEDED:
            raise self.broken("a living process was superseded")
        if reply.status is CycleStatus.FENCED and process.ident.node not in self._may_be_fenced():
            raise self.broken("a healthy node was fenced")
        for settlement, verdict in zip(process.pending_settlements, reply.verdicts, strict=True):
            self._judge(process, settlement, verdict, replayed=reply.status is CycleStatus.REPLAY)
        if reply.claims and reply.status is CycleStatus.OK and process.ident.node in self.reclaimed:
            raise self.broken("a reclaimed node may claim again")
        process.report = None
        process.past += process.held.items()
        process.held = {claim.activity_id: process.ident.token(process.pending_seq) for claim in reply.claims}
        for claim in reply.claims:
            if not claim.spec or not claim.activity_type:
                raise self.broken(f"a claim without a record was handed out: {claim}")

    def _judge(self, process: Process, settlement: Settlement, verdict: Verdict, *, replayed: bool) -> None:
        pair = (settlement.activity_id, settlement.token)
        excused = self.forgetful or process.ident.node in self._may_be_fenced() or pair[0] in self.forgiven
        current = process.held.get(pair[0]) == pair[1]
        if current and verdict is not Verdict.OK and not excused:
            raise self.broken(f"a living process settled {pair} and was told {verdict}")
        if verdict is Verdict.OK and not replayed and not self.forgetful:
            if pair in self.settled:
                raise self.broken(f"{pair} was settled twice")
            self.settled.add(pair)
        if verdict is Verdict.OK and not (current or replayed or self.forgetful or pair == process.report):
            raise self.broken(f"{pair} had been given back and was settled all the same")

    def _may_be_fenced(self) -> set[str]:
        return self.reclaimed | {node.node for node in self.nodes if node.stalled} | set(self.expired)

    # Supervisors.

    def beat(self, node: Node, *, joining: bool = False) -> None:
        call = heartbeat(self.keys, self.rules, node.node, joining=joining, slots=list(node.processes))
        reply = self.call(f"heartbeat {node.node}{' joining' if joining else ''}", call)
        if reply.fenced:
            if node.node not in self._may_be_fenced():
                raise self.broken(f"{node.node} beat in time and was fenced")
            # It kills its workers, keeps nothing and joins under a new boot.
            self.trace.append(f"{node.node} joins anew")
            self.expired.setdefault(node.node, None)
            node.reboot(SLOTS)
            self.beat(node, joining=True)
            return
        if node.node in self.reclaimed:
            raise self.broken(f"{node.node} was reclaimed and may go on")
        living = {other.node: other for other in self.nodes}
        for name in reply.expired_nodes:
            other = living.get(name)
            if other is not None and not other.stalled and name not in self._may_be_fenced():
                raise self.broken(f"{name} is alive and beat in time, and is called expired")
            self.expired[name] = other
        for activity_id, order in reply.cancels.items():
            self._kill_for_cancel(node, activity_id, order.token)

    def _kill_for_cancel(self, node: Node, activity_id: str, token: str) -> None:
        for slot, process in node.processes.items():
            if process.held.get(activity_id) == token:
                self.kill(node, slot, report=(activity_id, token))
                return

    def kill(self, node: Node, slot: int, *, report: tuple[str, str] | None = None) -> None:
        """The process dies; what it had sent may still arrive. Its successor is told what it was running."""
        process = node.processes[slot]
        self.trace.append(f"kill {process.ident}")
        if process.pending is not None and self.random.random() < 0.7:
            self.late.append(process.pending)
        successor = node.spawn(slot)
        if report is None and process.report is not None:
            report = process.report
        elif report is None and process.held and self.random.random() < 0.7:
            report = self.random.choice(list(process.held.items()))
        successor.report = report

    def take_back(self, name: str, *, cause: ReclaimCause = ReclaimCause.LOSS, bite: int = 1) -> bool:
        """One bite of a reclaim; whether there is more to take."""
        call = reclaim(self.keys, self.rules, name, cause, bite=bite)
        reply = self.call(f"reclaim {name} {cause}", call)
        owner = next((node for node in self.nodes if node.node == name), None)
        if reply.allowed:
            if owner is not None and not owner.stalled and name not in self._may_be_fenced():
                raise self.broken(f"{name} is alive and was reclaimed")
            self.reclaimed.add(name)
        if not reply.left:
            self.expired.pop(name, None)
        return reply.left
