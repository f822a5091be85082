"""The random moves, and the drain at an episode's end."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from rrqmp.model.attempt import Ending
from rrqmp.store.calls.cancel import cancel
from rrqmp.store.calls.cycle import CycleStatus, Settlement, cycle
from rrqmp.store.calls.dead_letters import discard, revive, trim
from rrqmp.store.calls.ends import ReclaimCause, release
from rrqmp.store.calls.gates import limit, pause, resume
from rrqmp.store.calls.hasten import hasten
from rrqmp.store.calls.promote import promote
from rrqmp.store.calls.watch import watch
from tests.store.explorer.episode import LEASE_US, SLOTS, TYPES, Episode
from tests.store.explorer.fleet import Node, Process
from tests.store.explorer.handler_moves import (
    cancel_children_any,
    forget_any,
    publish_progress_any,
    save_checkpoint_any,
    submit_child,
    submit_expiring,
    submit_if_room,
)
from tests.store.explorer.promises import is_lapsed
from tests.store.explorer.snapshot import Snapshot, take_snapshot

Move = Callable[[Episode], None]


def submit_now(play: Episode) -> None:
    play.submit()


def submit_later(play: Episode) -> None:
    play.submit(delay_us=play.random.choice((500_000, 3_000_000)))


def work(play: Episode) -> None:
    play.work(_any_process(play))


def kill_worker(play: Episode) -> None:
    node = play.random.choice(play.nodes)
    if node.processes:
        play.kill(node, play.random.choice(list(node.processes)))


def retire_slot(play: Episode) -> None:
    """A slot goes and comes back later; what it held, nobody names."""
    node = play.random.choice(play.nodes)
    if node.stalled or len(node.processes) < SLOTS:
        return
    slot = play.random.choice(list(node.processes))
    process = node.processes.pop(slot)
    play.trace.append(f"retire {process.ident}")
    if play.random.random() < 0.5 and process.held:
        call = release(play.keys, play.rules, node.node, slot, list(process.held.items()))
        play.call(f"release {process.held}", call)


def refill_slots(play: Episode) -> None:
    for node in play.nodes:
        for slot in range(SLOTS):
            if slot not in node.processes:
                node.spawn(slot)


def tick(play: Episode, microseconds: int = 0) -> None:
    """Time passes and everybody who can beats in time."""
    play.advance(microseconds or play.random.choice((200_000, LEASE_US // 3)))
    for node in play.nodes:
        if not node.stalled:
            play.beat(node)


def outage(play: Episode) -> None:
    """Redis is away, or its clock steps: nobody could beat for longer than a lease."""
    play.advance(2 * LEASE_US)
    # What had expired before looks fresh again, and is reclaimed later.
    for node in play.random.sample(play.nodes, len(play.nodes)):
        if not node.stalled:
            play.beat(node)


def step_back(play: Episode) -> None:
    play.advance(-LEASE_US // 4)


def stall(play: Episode) -> None:
    """A supervisor stops while its workers live on."""
    node = play.random.choice(play.nodes)
    others = [other for other in play.nodes if other is not node]
    if not node.stalled and not any(other.stalled for other in others):
        play.trace.append(f"{node.node} stalls")
        node.stalled = True


def wake_up(play: Episode) -> None:
    for node in play.nodes:
        if node.stalled:
            play.trace.append(f"{node.node} goes on")
            play.beat(node)
            node.stalled = False


def restart(play: Episode) -> None:
    """A supervisor dies with all its workers and starts again, holding its lock."""
    node = play.random.choice(play.nodes)
    old = node.node
    play.trace.append(f"{old} restarts")
    for process in node.processes.values():
        if process.pending is not None:
            play.late.append(process.pending)
    play.expired.setdefault(old, None)
    node.reboot(SLOTS)
    play.beat(node, joining=True)
    while play.take_back(old, cause=ReclaimCause.RESTART):
        pass


def reclaim_bite(play: Episode) -> None:
    if play.expired:
        play.take_back(play.random.choice(list(play.expired)))


def half_reclaim(play: Episode) -> None:
    """A stopped supervisor's node is half taken back when Redis goes away, and then the supervisor goes on."""
    stall(play)
    for _ in range(5):
        tick(play)
    reclaim_bite(play)
    outage(play)
    wake_up(play)


def promote_due(play: Episode) -> None:
    play.call("promote", promote(play.keys, play.rules, bite=play.random.choice((1, 200))))


def keep_the_timer(play: Episode) -> None:
    """Promotes until nothing is due: then nothing may wait that has expired."""
    began_us = play.now_us()
    for _ in range(20):
        reply = play.call("promote", promote(play.keys, play.rules, bite=20))
        if reply.next_due_us is None or reply.next_due_us > reply.now_us:
            break
    late = [i for i, record in play.last.records.items() if is_lapsed(record, began_us)]
    if late:
        raise play.broken(f"{late} have expired and the timer does not see them")
    first = min(play.last.zset("expiries").values(), default=None)
    if first is not None and (reply.next_due_us is None or reply.next_due_us > first):
        raise play.broken(f"{first} is the next expiry and the timer is told {reply.next_due_us}")


def late_call(play: Episode) -> None:
    """A call that the network kept arrives; nobody hears its answer."""
    if play.late:
        call = play.late.pop(play.random.randrange(len(play.late)))
        play.call(f"late {call.script.name} {list(call.arguments)[:4]}", call._replace(read=_nothing))


def cancel_any(play: Episode) -> None:
    if play.last.records:
        activity_id = play.random.choice(sorted(play.last.records))
        grace_ms = play.random.choice((None, 0, 700))
        play.call(f"cancel {activity_id}", cancel(play.keys, play.rules, activity_id, grace_ms=grace_ms))


def hasten_any(play: Episode) -> None:
    """One that runs, or is said to, waits for others."""
    ids = sorted(play.last.records)
    if ids:
        waiter, wanted = play.random.choice(ids), play.random.sample(ids, min(3, len(ids)))
        play.call(f"hasten {waiter} {wanted}", hasten(play.keys, waiter, wanted))


def watch_any(play: Episode) -> None:
    ids = sorted(play.last.records)[:3]
    if ids:
        play.call("watch", watch(play.keys, ids))


def revive_dead(play: Episode) -> None:
    ids = sorted(play.last.zset("dead"))[:2]
    if ids:
        play.call(f"revive {ids}", revive(play.keys, play.rules, ids), may_end_again=True)


def discard_dead(play: Episode) -> None:
    ids = sorted(play.last.zset("dead"))[:1]
    if ids:
        play.forgiven.update(ids)
        play.call(f"discard {ids}", discard(play.keys, ids), may_end_again=True)
        play.call("trim", trim(play.keys))


def gate(play: Episode) -> None:
    activity_type = play.random.choice((*TYPES, "*"))
    if activity_type == "*" or play.random.random() < 0.3:
        call = pause(play.keys, activity_type) if play.random.random() < 0.3 else resume(play.keys, activity_type)
    else:
        call = limit(play.keys, activity_type, play.random.choice((0, 1, 1, 1, 2, None)))
    play.call(f"{call.script.name} {list(call.arguments)}", call)


def foreign_bytes(play: Episode) -> None:
    """A stranger writes under our keys."""
    waiting = sorted(i for i, record in play.last.records.items() if record.get("st") == "pending")
    if not waiting:
        return
    activity_id = play.random.choice(waiting)
    key = play.keys.activity(activity_id)
    play.forgiven.add(activity_id)
    # Sent once more it would be accepted as new; who deletes records cannot ask for more than that.
    play.late = [call for call in play.late if call.script.name != "enqueue" or activity_id not in call.arguments]
    fault = play.random.choice(("gone", "string", "no spec"))
    play.trace.append(f"a stranger: {activity_id} {fault}")
    if fault == "no spec":
        play.store.command("HDEL", key, "spec")
    else:
        # With the record goes what belongs to it; an index that is left stays until somebody comes upon the id.
        play.store.command("DEL", key, play.keys.children(activity_id))
        if fault == "string":
            play.store.command("SET", key, "\x00\xff{")
    play.last = take_snapshot(play.store, play.keys)


def forgotten_write(play: Episode) -> None:
    """A replica is promoted that has not seen the last call, though its answer was given."""
    process = _any_process(play)
    if process.pending is not None:
        return
    play.forgetful = True
    names = play.store.command("KEYS", play.keys.root.replace("[", "?") + "*")
    kept = [(name, play.store.command("PTTL", name), play.store.command("DUMP", name)) for name in names]
    play.work(process)
    play.trace.append("  and Redis forgets it")
    for name in play.store.command("KEYS", play.keys.root + "*"):
        play.store.command("DEL", name)
    for name, life, dump in kept:
        play.store.command("RESTORE", name, max(life, 0), dump)
    play.last = take_snapshot(play.store, play.keys)
    play.check()


_WEIGHTS: dict[Move, int] = {
    submit_now: 14,
    submit_later: 3,
    work: 40,
    kill_worker: 5,
    retire_slot: 1,
    refill_slots: 1,
    tick: 6,
    outage: 1,
    step_back: 1,
    stall: 1,
    wake_up: 1,
    restart: 1,
    reclaim_bite: 4,
    half_reclaim: 1,
    promote_due: 2,
    keep_the_timer: 2,
    submit_expiring: 5,
    submit_child: 4,
    submit_if_room: 2,
    save_checkpoint_any: 5,
    publish_progress_any: 2,
    cancel_children_any: 2,
    forget_any: 1,
    late_call: 8,
    cancel_any: 3,
    hasten_any: 3,
    watch_any: 1,
    revive_dead: 2,
    discard_dead: 1,
    gate: 4,
    foreign_bytes: 1,
}


def play_episode(play: Episode, moves: int) -> None:
    """Raises `Broken` as soon as an invariant fails, or if the drain leaves something behind."""
    weights = dict(_WEIGHTS)
    if play.seed % 4 == 3:
        # Apart, since after a forgotten write the two sides may rightly disagree on who settled what.
        weights[forgotten_write] = 3
    for move in play.random.choices(list(weights), weights=list(weights.values()), k=moves):
        move(play)
    _drain(play)


def _drain(play: Episode) -> None:
    """Everything that was accepted comes to its end once the faults stop."""
    play.trace.append("drain")
    play.late.clear()
    for activity_type in TYPES:
        play.call("resume", resume(play.keys, activity_type))
        play.call("limit", limit(play.keys, activity_type, None))
    play.call("resume *", resume(play.keys))
    wake_up(play)
    for _ in range(12):
        tick(play, LEASE_US // 3)
        for name in list(play.expired):
            while play.take_back(name):
                pass
        play.call("promote", promote(play.keys, play.rules))
        for node in play.nodes:
            for process in list(node.processes.values()):
                _finish(play, node, process)
        if not _unfinished(play.last):
            return
    raise play.broken(f"left over after the drain: {_unfinished(play.last)}")


def _finish(play: Episode, node: Node, process: Process) -> None:
    """Asks for work until there is none, and completes all of it."""
    process.pending, process.report = None, None
    for _ in range(40):
        process.seq += 1
        settlements = [
            Settlement(activity_id, token, Ending.COMPLETED, b'{"kind":"completed"}')
            for activity_id, token in process.held.items()
        ]
        call = cycle(
            play.keys, play.rules, process.ident, seq=process.seq, want=3, settlements=settlements, types=TYPES
        )
        reply = play.call(f"finish {process.ident.token(process.seq)}", call)
        process.held = {claim.activity_id: process.ident.token(process.seq) for claim in reply.claims}
        if reply.status is not CycleStatus.OK or not reply.claims:
            return


def _unfinished(snapshot: Snapshot) -> list[str]:
    waiting = ("pending", "scheduled", "retrying", "running")
    return [f"{i} {record['st']}" for i, record in snapshot.records.items() if record.get("st") in waiting]


def _any_process(play: Episode) -> Process:
    processes: Iterable[Process] = (p for node in play.nodes for p in node.processes.values())
    return play.random.choice(list(processes))


def _nothing(reply: Any) -> None:
    return None
