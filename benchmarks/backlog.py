"""Claim rate with a million waiting activities against a thousand, in turn on one server."""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Sequence
from typing import Final

from benchmarks.bare import CycleLoop, Pair
from benchmarks.findings import Finding, run, tell
from benchmarks.rig import Queue, Rig
from rrqmp.store.calls.cycle import SlotIdent
from rrqmp.store.calls.heartbeat import heartbeat
from rrqmp.store.connection import BlockingConnection
from rrqmp.store.rules import StoreRules

_NODE: Final = "backlog@0000000000000000"
_BATCH: Final = 20


def measure(arguments: argparse.Namespace) -> Sequence[Finding]:
    """A round claims from the short queue, then from the long one; each is filled up again to its length."""
    with Rig() as rig:
        short, long = rig.queue(), rig.queue()
        began = time.monotonic()
        Pair(_fill, rig.url, long.keys.queue, arguments.long // 2).run()
        seconds = time.monotonic() - began
        tell(f"  filled {arguments.long:,} in {seconds:.1f} s, {arguments.long / seconds:,.0f}/s by two processes")
        short.fill(arguments.short)
        loops = {want: [_loop(queue, slot) for queue in (short, long)] for slot, want in enumerate((1, _BATCH))}
        ratios: dict[int, list[float]] = {}
        for _ in range(arguments.rounds):
            for want, pair in loops.items():
                rates = [
                    _round(queue, loop, arguments.claims, want) for queue, loop in zip((short, long), pair, strict=True)
                ]
                ratios.setdefault(want, []).append(rates[1] / rates[0])
    name = f"claim rate, {arguments.long:,} waiting / {arguments.short:,}"
    return [
        Finding(name=f"{name}, one a call", figure=statistics.median(ratios[1]), unit="x", goal=0.8, at="least"),
        Finding(
            name=f"{name}, {_BATCH} a call", figure=statistics.median(ratios[_BATCH]), unit="x", goal=0.8, at="least"
        ),
    ]


def _fill(place: int, ready: Callable[[], object], url: str, name: str, count: int) -> None:
    with BlockingConnection(url) as connection:
        ready()
        Queue(connection, name).fill(count)


def _loop(queue: Queue, slot: int) -> CycleLoop:
    queue.connection.run(heartbeat(queue.keys, StoreRules(lease=1000), _NODE, joining=True, slots=[0, 1]))
    return CycleLoop(queue.connection, queue.keys, SlotIdent(_NODE, slot, 1))


def _round(queue: Queue, loop: CycleLoop, claims: int, want: int) -> float:
    """Claims a second, settled too; what was claimed is filled up again."""
    began = time.perf_counter()
    claimed = 0
    while claimed < claims:
        claimed += loop.step(want)
    rate = claimed / (time.perf_counter() - began)
    queue.fill(claimed)
    return rate


def options() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.backlog", description=__doc__)
    parser.add_argument("--long", type=int, default=1_000_000, help="waiting activities of the long queue")
    parser.add_argument("--short", type=int, default=1_000, help="of the short one")
    parser.add_argument("--claims", type=int, default=400, help="claims of one queue in one round")
    parser.add_argument("--rounds", type=int, default=15)
    return parser


if __name__ == "__main__":
    run("backlog", options().parse_args(), measure)
