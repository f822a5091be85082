"""Reviving 100,000 dead letters: all, all of a type, and those whose error holds a text, against the bare script."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from typing import Final

from benchmarks.findings import Finding, run, tell
from benchmarks.rig import Queue, Rig
from rrqmp.client.executor import ActivityExecutor
from rrqmp.model.attempt import Attempt, AttemptKind, Ending, encode_outcome
from rrqmp.store.calls.cycle import MAX_CLAIMS, Settlement, SlotIdent, cycle
from rrqmp.store.calls.dead_letters import REVIVE_BITE, revive
from rrqmp.store.calls.heartbeat import heartbeat
from rrqmp.store.rules import StoreRules

_RULES: Final = StoreRules(lease=1000)
_TRACEBACK: Final = 'Traceback (most recent call last):\n  File "thumbs.py", line 17, in handle\nValueError: no\n' * 4
_REPORT: Final = encode_outcome(
    Attempt(kind=AttemptKind.FAILED, attempt=4, error="ValueError", message="no", traceback=_TRACEBACK)
)


def measure(arguments: argparse.Namespace) -> Sequence[Finding]:
    """All of them by the bare script, then by each way; the other ways get a fifth of them."""
    count: int = arguments.count
    with Rig() as rig:
        queue = rig.queue()
        undertaker = _Undertaker(queue)
        queue.fill(count)
        ids = undertaker.bury(count)
        with rig.executor(queue) as executor:
            bare = _rate(count, lambda: _bare(queue, ids))
            rates: dict[str, float] = {}
            for place, (name, way) in enumerate(_ways(executor).items()):
                some = count if place == 0 else count // 5
                undertaker.bury(some)
                rates[name] = _rate(some, way)
                tell(f"  {name}: {some:,} at {rates[name]:,.0f}/s (bare script {bare:,.0f}/s)")
    return [
        *(
            Finding(name=name, figure=rate, unit="/s", goal=20_000 if name == "revive all" else None, at="least")
            for name, rate in rates.items()
        ),
        Finding(name="revive all / bare script", figure=rates["revive all"] / bare, unit="x"),
        Finding(name="bare script", figure=bare, unit="/s"),
    ]


def _ways(executor: ActivityExecutor) -> dict[str, Callable[[], int]]:
    operator = executor.activity_queue
    return {
        "revive all": operator.revive_all,
        "revive all of a type": lambda: operator.revive_all(activity_type="noop"),
        "revive by text of the error": lambda: operator.revive_all(text="thumbs.py"),
        "discard all": operator.discard_all,
    }


def _rate(count: int, way: Callable[[], int]) -> float:
    began = time.perf_counter()
    done = way()
    seconds = time.perf_counter() - began
    if done != count:
        raise RuntimeError(f"{done} of {count} dead letters were taken")
    return count / seconds


def _bare(queue: Queue, ids: Sequence[str]) -> int:
    calls = [revive(queue.keys, _RULES, ids[at : at + REVIVE_BITE]) for at in range(0, len(ids), REVIVE_BITE)]
    return sum(queue.connection.run(call) for call in calls)


class _Undertaker:
    """A worker of script calls whose handlers always fail for good."""

    def __init__(self, queue: Queue) -> None:
        self._queue = queue
        self._ident = SlotIdent("revive@0000000000000000", 0, 1)
        self._seq = 0
        queue.connection.run(heartbeat(queue.keys, _RULES, self._ident.node, joining=True, slots=[0]))

    def bury(self, count: int) -> list[str]:
        """Makes dead letters of so many; their ids in order of death."""
        ids: list[str] = []
        settlements: list[Settlement] = []
        while len(ids) < count or settlements:
            self._seq += 1
            call = cycle(
                self._queue.keys,
                _RULES,
                self._ident,
                seq=self._seq,
                want=min(MAX_CLAIMS, count - len(ids)),
                types=("noop",),
                settlements=settlements,
            )
            claimed = [claim.activity_id for claim in self._queue.connection.run(call).claims]
            token = self._ident.token(self._seq)
            settlements = [Settlement(activity_id, token, Ending.DEAD, _REPORT) for activity_id in claimed]
            ids += claimed
        return ids


def options() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.revive", description=__doc__)
    parser.add_argument("--count", type=int, default=100_000, help="dead letters")
    return parser


if __name__ == "__main__":
    run("revive", options().parse_args(), measure)
