"""The wake-up protocol as a pure model, searched through: nobody who could work sleeps beside work.

The model knows what the scripts know: `ready` and `wake` by type, limits, pauses; and what workers do: cycle, sleep on
the lists of the types they serve, take one token, cycle again with that type as woken. Every order of steps is tried
up to a size at which each fault of the simpler protocols shows.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import chain

import pytest

# A model: the same whatever interpreter searches it.
pytestmark = pytest.mark.once

BOUND = 3


@dataclass(frozen=True)
class Rules:
    """The protocol's parts, each of which can be left out."""

    pass_on: bool = True
    signal_arrivals: bool = True
    signal_freed_limit: bool = True


@dataclass(frozen=True)
class Worker:
    """`asleep` in BLPOP; else it will cycle next, with `woken` as the type whose token it took."""

    serves: str
    asleep: bool = True
    woken: str = ""
    runs: str = ""


@dataclass(frozen=True)
class World:
    """Counts by type, in the order of `types`."""

    types: str
    ready: tuple[int, ...]
    wake: tuple[int, ...]
    limit: tuple[int, ...]
    running: tuple[int, ...]
    workers: tuple[Worker, ...]
    to_come: str

    def claimable(self, activity_type: str) -> bool:
        i = self.types.index(activity_type)
        return self.ready[i] > 0 and self.running[i] < self.limit[i]


def _with(counts: tuple[int, ...], index: int, change: int) -> tuple[int, ...]:
    return (*counts[:index], counts[index] + change, *counts[index + 1 :])


def _signal(world: World, activity_type: str, tokens: int) -> World:
    i = world.types.index(activity_type)
    more = min(tokens, BOUND - world.wake[i])
    if not world.claimable(activity_type) or more <= 0:
        return world
    return replace(world, wake=_with(world.wake, i, more))


def _steps(world: World, rules: Rules) -> list[World]:
    following = []
    if world.to_come:
        following.append(_arrive(world, rules))
    for index, worker in enumerate(world.workers):
        if worker.asleep:
            following += [_take_token(world, index, t) for t in worker.serves if world.wake[world.types.index(t)]]
        else:
            following += _cycle(world, index, rules)
    return following


def _arrive(world: World, rules: Rules) -> World:
    first, rest = world.to_come[0], world.to_come[1:]
    world = replace(world, to_come=rest, ready=_with(world.ready, world.types.index(first), 1))
    return _signal(world, first, 1) if rules.signal_arrivals else world


def _take_token(world: World, index: int, activity_type: str) -> World:
    worker = replace(world.workers[index], asleep=False, woken=activity_type)
    world = replace(world, wake=_with(world.wake, world.types.index(activity_type), -1))
    return _put(world, index, worker)


def _cycle(world: World, index: int, rules: Rules) -> list[World]:
    """Settles what it runs, claims any claimable type (the model does not know scores: each is tried) or sleeps."""
    worker = world.workers[index]
    freed = ""
    if worker.runs:
        freed = worker.runs
        world = replace(world, running=_with(world.running, world.types.index(freed), -1))
    choices = [t for t in worker.serves if world.claimable(t)]
    return [_after_cycle(world, index, worker, choice, freed, rules) for choice in choices or [""]]


def _after_cycle(world: World, index: int, worker: Worker, choice: str, freed: str, rules: Rules) -> World:
    if choice:
        i = world.types.index(choice)
        world = replace(world, ready=_with(world.ready, i, -1), running=_with(world.running, i, 1))
        if not world.ready[i]:
            world = replace(world, wake=_with(world.wake, i, -world.wake[i]))
    if freed and freed != choice and rules.signal_freed_limit:
        world = _signal(world, freed, 1)
    if worker.woken and rules.pass_on and not world.wake[world.types.index(worker.woken)]:
        world = _signal(world, worker.woken, 1)
    return _put(world, index, replace(worker, asleep=not choice, woken="", runs=choice))


def _put(world: World, index: int, worker: Worker) -> World:
    workers = (*world.workers[:index], worker, *world.workers[index + 1 :])
    return replace(world, workers=workers)


def _lost(world: World) -> bool:
    """Work lies there, somebody who serves it sleeps, no token lies, and nobody awake will look (but by finishing)."""
    for i, activity_type in enumerate(world.types):
        sleeps = any(w.asleep and activity_type in w.serves for w in world.workers)
        coming = any(not w.asleep and not w.runs for w in world.workers)
        if world.claimable(activity_type) and sleeps and not world.wake[i] and not coming:
            return True
    return False


def _search(start: World, rules: Rules) -> World | None:
    """The first lost wake-up, or nothing."""
    seen, front = {start}, [start]
    while front:
        front = list(set(chain.from_iterable(_steps(world, rules) for world in front)) - seen)
        seen.update(front)
        for world in front:
            if _lost(world):
                return world
    return None


def _world(serves: list[str], to_come: str, limits: dict[str, int] | None = None) -> World:
    types = "".join(sorted(set(to_come)))
    none = (0,) * len(types)
    limit = tuple((limits or {}).get(t, 99) for t in types)
    workers = tuple(Worker("".join(t for t in s if t in types)) for s in serves)
    return World(types, none, none, limit, none, workers, to_come)


CASES = {
    "one type, two workers": _world(["a", "a"], "aaa"),
    "a worker of both and one of each": _world(["ab", "a", "b"], "abab"),
    "a limit of one": _world(["ab", "ab", "a"], "aabb", {"a": 1}),
    "three workers, many at once": _world(["a", "a", "ab"], "aaab"),
    "four workers, three types": _world(["abc", "ab", "bc", "c"], "abcabc"),
    "limits and three types": _world(["abc", "abc", "ab"], "aabbcc", {"a": 1, "b": 1}),
}


@pytest.mark.parametrize("case", CASES)
def test_no_order_of_steps_loses_a_wake_up(case: str) -> None:
    assert _search(CASES[case], Rules()) is None


@pytest.mark.parametrize(
    ("rules", "case"),
    [
        (Rules(pass_on=False), "a worker of both and one of each"),
        (Rules(signal_arrivals=False), "one type, two workers"),
        (Rules(signal_freed_limit=False), "a limit of one"),
    ],
)
def test_each_part_of_the_protocol_is_needed(rules: Rules, case: str) -> None:
    assert _search(CASES[case], rules) is not None
