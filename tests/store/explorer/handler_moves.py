"""The moves of handlers and submitters that use more than the least: expiry, families, limits, notes."""

from __future__ import annotations

from collections.abc import Iterator

from rrqmp.store.calls.attempt_notes import publish_progress, save_checkpoint
from rrqmp.store.calls.cancel import cancel_children
from rrqmp.store.calls.enqueue import Acceptance, Submission, enqueue
from rrqmp.store.calls.forget import forget
from tests.store.explorer.episode import TYPES, Episode


def submit_expiring(play: Episode) -> None:
    expires_us = play.now_us() + play.random.choice((-1_000_000, 300_000, 3_000_000, 20_000_000))
    play.submit(expires_us=expires_us, delay_us=play.random.choice((0, 0, 0, 500_000)))


def submit_child(play: Episode) -> None:
    """Mostly by one that runs; what the network kept for long may come after its parent's end."""
    wanted = ("completed", "cancelled", "dead_letter") if play.random.random() < 0.3 else ("running",)
    parents = sorted(i for i, record in play.last.records.items() if record.get("st") in wanted)
    if parents:
        play.submit(parent=play.random.choice(parents))


def submit_if_room(play: Episode) -> None:
    """A queue that may hold only so many: a call more is refused whole, and none that fits."""
    play.made += 1
    item = Submission(f"x{play.made}", play.random.choice(TYPES), b"{}\n{}", delay_us=play.random.choice((0, 500_000)))
    waits = sum(map(len, play.last.ready.values())) + len(play.last.zset("scheduled"))
    most = max(1, waits + play.random.choice((-1, 0, 1)))
    call = enqueue(play.keys, play.rules, [item], max_pending=most)
    (verdict,) = play.call(f"enqueue {item.activity_id} where {most} may wait and {waits} do", call)
    if (verdict.kind is Acceptance.FULL) != (waits + 1 > most):
        raise play.broken(f"{waits} wait of {most}, and one more was {verdict.kind}")
    if verdict.kind is Acceptance.CREATED:
        play.accepted.add(item.activity_id)


def save_checkpoint_any(play: Episode) -> None:
    """By whoever runs it, or believes so; its bytes are its own token."""
    pairs = sorted(set(_believed(play)))
    if pairs:
        activity_id, token = play.random.choice(pairs)
        call = save_checkpoint(play.keys, activity_id, token, token.encode())
        runs = play.last.records.get(activity_id, {}).get("tok") == token
        if play.call(f"checkpoint {activity_id} {token}", call) != runs:
            raise play.broken(f"a checkpoint of {activity_id} by {token} was {'refused' if runs else 'taken'}")
        if play.random.random() < 0.3:
            play.late.append(call)


def publish_progress_any(play: Episode) -> None:
    pairs = sorted(set(_believed(play)))
    if pairs:
        chosen = play.random.sample(pairs, min(len(pairs), 3))
        play.call(
            f"progress {chosen}", publish_progress(play.keys, [(i, token, token.encode()) for i, token in chosen])
        )


def cancel_children_any(play: Episode) -> None:
    parents = sorted(play.last.children)
    if parents:
        parent, after_us = play.random.choice(parents), 0
        while True:
            call = cancel_children(play.keys, play.rules, parent, after_us=after_us, grace_ms=5, bite=2)
            reply = play.call(f"cancel children of {parent}", call)
            if play.random.random() < 0.1:
                play.late.append(call)
            if reply.after_us is None:
                break
            after_us = reply.after_us
        going_on = [i for i in play.last.children.get(parent, ()) if _goes_on(play, i)]
        if going_on:
            raise play.broken(f"{going_on} go on though the children of {parent} were cancelled")


def forget_any(play: Episode) -> None:
    """By a client that has heard the outcome, or that is mistaken."""
    ids = sorted(play.last.records)
    if ids:
        chosen = play.random.sample(ids, min(len(ids), 3))
        ended = {i for i in chosen if play.last.records[i].get("st") in ("completed", "cancelled")}
        number = play.call(f"forget {chosen}", forget(play.keys, chosen), may_end_again=True)
        if number != len(ended):
            raise play.broken(f"{number} of {chosen} were emptied, and {sorted(ended)} had ended")


def _goes_on(play: Episode, activity_id: str) -> bool:
    record = play.last.records.get(activity_id, {})
    waits = record.get("st") in ("pending", "scheduled", "retrying")
    return "spec" in record and (waits or (record.get("st") == "running" and "cancel" not in record))


def _believed(play: Episode) -> Iterator[tuple[str, str]]:
    for node in play.nodes:
        for process in node.processes.values():
            yield from process.held.items()
            yield from process.past[-3:]
