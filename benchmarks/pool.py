"""Calls through a local `PoolExecutor` against `ProcessPoolExecutor`: small, in pieces, with arrays, one at a time."""

from __future__ import annotations

import argparse
import multiprocessing
import os
import statistics
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor

import numpy as np
import psutil

from benchmarks.findings import Finding, run, tell
from benchmarks.memory import share_mib
from rrqmp import PoolExecutor

_WORKERS = 2
_PIECE = 50


def measure(arguments: argparse.Namespace) -> Sequence[Finding]:
    """Both pools stand all the while; each repetition asks the one, then the other."""
    ratios: dict[str, list[float]] = {}
    rates: dict[str, list[float]] = {}
    started = [_start_seconds(ours), _start_seconds(theirs)]
    with ours() as mine, theirs() as peer:
        for pool in (mine, peer):
            _small(pool, 50)
        memory = share_mib([child.pid for child in psutil.Process().children(recursive=True) if _is_ours(child)])
        for repetition in range(arguments.repetitions):
            for name, rate in _kinds(arguments.count).items():
                found = rate(mine), rate(peer)
                rates.setdefault(name, []).append(found[0])
                ratios.setdefault(name, []).append(found[0] / found[1])
                tell(f"  repetition {repetition + 1}, {name}: ours {found[0]:,.0f}/s, standard {found[1]:,.0f}/s")
    findings = [
        Finding(name=f"{name} / ProcessPoolExecutor", figure=statistics.median(found), unit="x")
        for name, found in ratios.items()
    ]
    findings += [Finding(name=name, figure=statistics.median(found), unit="/s") for name, found in rates.items()]
    return [
        *findings,
        Finding(name="first result of a new pool", figure=started[0], unit="s"),
        Finding(name="first result of a new ProcessPoolExecutor", figure=started[1], unit="s"),
        Finding(name=f"server, supervisor, template and {_WORKERS} workers", figure=memory, unit="MiB"),
    ]


def ours() -> PoolExecutor:
    """A server, a supervisor and workers of its own."""
    return PoolExecutor(_WORKERS)


def theirs() -> ProcessPoolExecutor:
    """As many processes, started anew: to fork a process with threads is what the standard library gives up."""
    return ProcessPoolExecutor(_WORKERS, mp_context=multiprocessing.get_context("spawn"))


def _kinds(count: int) -> dict[str, Callable[[Executor], float]]:
    array = np.zeros(1 << 17)
    return {
        "small calls": lambda pool: _small(pool, count),
        f"small calls, {_PIECE} a piece": lambda pool: _pieces(pool, count * 10),
        "calls one after the other": lambda pool: _single(pool, count // 10),
        "arrays of 1 MiB there and back": lambda pool: _arrays(pool, array, count // 40),
    }


def _start_seconds(make: Callable[[], Executor]) -> float:
    began = time.monotonic()
    with make() as pool:
        pool.submit(os.getpid).result()
        return time.monotonic() - began


def _small(pool: Executor, count: int) -> float:
    began = time.monotonic()
    for future in [pool.submit(pow, 2, 8) for _ in range(count)]:
        future.result()
    return count / (time.monotonic() - began)


def _pieces(pool: Executor, count: int) -> float:
    began = time.monotonic()
    for _ in pool.map(abs, range(count), chunksize=_PIECE):
        pass
    return count / (time.monotonic() - began)


def _single(pool: Executor, count: int) -> float:
    began = time.monotonic()
    for _ in range(count):
        pool.submit(pow, 2, 8).result()
    return count / (time.monotonic() - began)


def _arrays(pool: Executor, array: np.ndarray, count: int) -> float:
    began = time.monotonic()
    for future in [pool.submit(np.copy, array) for _ in range(count)]:
        future.result()
    return count / (time.monotonic() - began)


def _is_ours(process: psutil.Process) -> bool:
    words = " ".join(process.cmdline())
    return "rrqmp" in words and "multiprocessing" not in words


def main() -> None:
    """Parses, measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=4000, help="small calls of one repetition")
    parser.add_argument("--repetitions", type=int, default=3)
    arguments = parser.parse_args()
    run("pool", arguments, measure)


if __name__ == "__main__":
    main()
