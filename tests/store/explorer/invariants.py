"""The invariants of the store, checked over one snapshot or over two that lie one call apart."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

from rrqmp.model.status import ActivityStatus, move
from tests.store.explorer.snapshot import Snapshot

_ENDED = {"completed", "cancelled", "dead_letter"}
_KEPT_AFTER_THE_END = ("st", "ty", "spec", "att", "out", "end", "err", "crashes", "losses")


def faults(snapshot: Snapshot) -> Iterator[str]:
    """What is wrong with this moment, in words."""
    yield from _one_place(snapshot)
    yield from _owners(snapshot)
    yield from _heads(snapshot)
    yield from _counters(snapshot)
    yield from _tokens(snapshot)


def faults_between(before: Snapshot, after: Snapshot, *, may_end_again: bool) -> Iterator[str]:
    """What one call did that it must not. `may_end_again` for the calls that may touch what has ended."""
    for activity_id, old in before.records.items():
        new = after.records.get(activity_id)
        if new is None:
            if not may_end_again:
                yield f"{activity_id} has vanished ({old.get('st')})"
            continue
        yield from _change(activity_id, old, new, may_end_again=may_end_again)
    for activity_type in after.zset("heads"):
        # I6: every move that makes a type claimable signals it.
        became = after.is_claimable(activity_type) and not before.is_claimable(activity_type)
        if became and not after.wake.get(activity_type):
            yield f"I6: {activity_type} became claimable and nobody was woken"


def _change(activity_id: str, old: Mapping[str, str], new: Mapping[str, str], *, may_end_again: bool) -> Iterator[str]:
    if "st" not in old or "st" not in new or old.get("err") == "corrupt" or new.get("err") == "corrupt":
        return
    if old["st"] != new["st"]:
        try:
            move(ActivityStatus(old["st"]), ActivityStatus(new["st"]))
        except ValueError as error:
            yield f"{activity_id}: {error}"
    if old["st"] in _ENDED and not may_end_again:
        changed = [name for name in _KEPT_AFTER_THE_END if old.get(name) != new.get(name)]
        if changed:
            yield f"I5: {activity_id} had ended as {old['st']} and changed in {changed}"
    if old["st"] == "running" and new["st"] in ("pending", "retrying") and "cancel" in new:
        yield f"{activity_id} was cancelled while it ran and goes back to {new['st']}"
    rise = int(new.get("att", 0)) - int(old.get("att", 0))
    if rise > 0 and not (rise == 1 and new["st"] == "running"):
        yield f"I5: attempts of {activity_id} rose by {rise} into {new['st']}"
    if rise < 0 and not may_end_again and old["st"] != "running":
        yield f"I5: attempts of {activity_id} fell outside a release"
    if old.get("tok", "") and new.get("tok", "") and old["tok"] != new["tok"]:
        yield f"{activity_id} went from {old['tok']} to {new['tok']} without an end of the attempt"


def _one_place(snapshot: Snapshot) -> Iterator[str]:
    places: dict[str, list[str]] = {activity_id: [] for activity_id in snapshot.records}
    for activity_type, members in snapshot.ready.items():
        for activity_id in members:
            places.setdefault(activity_id, []).append(f"ready:{activity_type}")
    for member in snapshot.zset("scheduled"):
        places.setdefault(member.partition("\x1f")[2], []).append("scheduled")
    for activity_id in snapshot.zset("dead"):
        places.setdefault(activity_id, []).append("dead")
    for activity_id, found in places.items():
        record = snapshot.records.get(activity_id)
        if record is None or "spec" not in record:
            # A stranger's doing; it is quarantined when somebody comes upon it.
            continue
        state, activity_type = record["st"], record["ty"]
        allowed = {
            "pending": [[f"ready:{activity_type}"]],
            "scheduled": [["scheduled"], [f"ready:{activity_type}"]],
            "retrying": [["scheduled"], [f"ready:{activity_type}"]],
            "dead_letter": [["dead"]],
        }.get(state, [[]])
        if found not in allowed:
            yield f"I1: {activity_id} is {state} and lies in {found}"


def _owners(snapshot: Snapshot) -> Iterator[str]:
    for activity_id, record in snapshot.records.items():
        if record.get("st") != "running":
            if record.get("tok"):
                yield f"I2: {activity_id} is {record.get('st')} and has a token"
            continue
        token = record.get("tok", "")
        owners = [
            node
            for (node, slot), statement in snapshot.slots.items()
            if activity_id in statement.ids and token == f"{node}/{slot}.{statement.inc}.{statement.seq}"
        ]
        if len(owners) != 1:
            yield f"I2: {activity_id} runs under {token!r} and {len(owners)} slots name it"
        elif owners[0] not in snapshot.zset("nodes"):
            yield f"I2: {activity_id} is owned by {owners[0]}, which is not in nodes"


def _heads(snapshot: Snapshot) -> Iterator[str]:
    first = {activity_type: min(members.values()) for activity_type, members in snapshot.ready.items() if members}
    if first != snapshot.zset("heads"):
        yield f"I3: heads are {snapshot.zset('heads')}, should be {first}"


def _counters(snapshot: Snapshot) -> Iterator[str]:
    running = Counter(record["ty"] for record in snapshot.records.values() if record.get("st") == "running")
    if running != snapshot.numbers("active"):
        yield f"I4: active is {snapshot.numbers('active')}, should be {dict(running)}"
    counted: Counter[str] = Counter()
    for name, number in snapshot.numbers("count").items():
        counted[name.rpartition("\x1f")[0]] += number
    # The totals by outcome stand where a type's name would.
    del counted[""]
    if counted != Counter({activity_type: len(members) for activity_type, members in snapshot.ready.items()}):
        yield f"I4: count is {dict(counted)}, ready are {snapshot.ready}"


def _tokens(snapshot: Snapshot) -> Iterator[str]:
    for activity_type, number in snapshot.wake.items():
        if activity_type not in snapshot.zset("heads"):
            yield f"{number} wake tokens lie for {activity_type}, which is empty"
        if number > 32:
            yield f"{number} wake tokens lie for {activity_type}"
