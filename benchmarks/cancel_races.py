"""Cancels that race with ends: none hits a neighbour, none leaves a waiter hanging. It fails if one does.

Half of the activities are cancelled at a random moment of their short lives, with no grace, with one as long as they
run, or with one that they heed; the other half are neighbours that nobody cancels.
"""

from __future__ import annotations

import argparse
import heapq
import random
import threading
import time
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from benchmarks.findings import Finding, run, tell
from benchmarks.rig import Rig
from rrqmp.client.batch import Batch, as_completed
from rrqmp.client.executor import ActivityExecutor
from rrqmp.client.future import ActivityFuture
from rrqmp.errors import ActivityCancelled, ActivityUnsuccessful

_CHUNK: Final = 8
_CHUNKS_AT_ONCE: Final = 2
_HANGS_SECONDS: Final = 60.0
# Where most of the time between submission and end is the run, most cancels that are not too early or late hit it.
_RUN_MICROSECONDS: Final = {True: 1500, False: 4000}
_HEED_SECONDS: Final = 30.0


class Canceller(threading.Thread):
    """Cancels each future at its time."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self._heap: list[tuple[float, int, ActivityFuture[int], float]] = []
        self._changed = threading.Condition()
        self._closed = False
        self._number = 0
        # What each call has said, and how long the longest took.
        self.said: dict[str, bool] = {}
        self.longest = 0.0

    def put(self, at: float, future: ActivityFuture[int], grace: float) -> None:
        """One more."""
        with self._changed:
            self._number += 1
            heapq.heappush(self._heap, (at, self._number, future, grace))
            self._changed.notify()

    def close(self) -> None:
        """Ends once all are cancelled."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self.join()

    def run(self) -> None:
        """One after another, in the order of their times."""
        while True:
            with self._changed:
                while not self._heap or self._heap[0][0] > time.monotonic():
                    if self._closed and not self._heap:
                        return
                    self._changed.wait(self._heap[0][0] - time.monotonic() if self._heap else None)
                _, _, future, grace = heapq.heappop(self._heap)
            began = time.monotonic()
            self.said[future.activity_id] = future.cancel(grace)
            self.longest = max(self.longest, time.monotonic() - began)


@dataclass(slots=True)
class Tally:
    """How all ended."""

    ends: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    hung: int = 0


class Races:
    """One run over one queue."""

    def __init__(self, executor: ActivityExecutor, notes: Path, *, soft: bool) -> None:
        self._executor = executor
        self._notes = notes
        self._soft = soft
        self._canceller = Canceller()
        self._bystanders: set[str] = set()
        self._open: deque[tuple[float, Batch[int]]] = deque()
        self._latency = 0.02
        self.tally = Tally()

    @property
    def longest_call(self) -> float:
        """Seconds of the longest call of `cancel`."""
        return self._canceller.longest

    def run(self, count: int) -> Tally:
        """Cancels that many."""
        self._canceller.start()
        for _ in range(0, count, _CHUNK // 2):
            self._start_chunk()
            if len(self._open) >= _CHUNKS_AT_ONCE:
                self._finish_chunk()
        while self._open:
            self._finish_chunk()
        self._canceller.close()
        self._look_for_repeats()
        return self.tally

    def _start_chunk(self) -> None:
        payloads = [
            [str(self._notes), random.randrange(_RUN_MICROSECONDS[self._soft]), int(self._soft)] for _ in range(_CHUNK)
        ]
        began = time.monotonic()
        batch: Batch[int] = self._executor.execute_many("race", payloads)
        doomed = set(random.sample(range(_CHUNK), _CHUNK // 2))
        for future in batch:
            if future.index in doomed:
                grace = _HEED_SECONDS if self._soft else random.choice((0.0, 0.001, 0.002))
                self._canceller.put(began + random.random() * 1.2 * self._latency, future, grace)
            else:
                self._bystanders.add(future.activity_id)
        self._open.append((began, batch))

    def _finish_chunk(self) -> None:
        began, batch = self._open.popleft()
        left = set(batch)
        try:
            for future in as_completed(batch, timeout=_HANGS_SECONDS):
                left.discard(future)
                self._judge(future)
        except TimeoutError:
            self.tally.hung += len(left)
            self.tally.faults += [f"{future.activity_id} hangs: {future.record()}" for future in left]
        self._latency += (time.monotonic() - began - self._latency) / 8

    def _judge(self, future: ActivityFuture[int]) -> None:
        try:
            attempt, end = future.get_result(), "completed"
        except ActivityCancelled as error:
            attempt, end = max([one.attempt for one in error.attempts], default=0), "cancelled"
        except ActivityUnsuccessful as error:
            attempt, end = 0, type(error).__name__
        said = self._canceller.said.get(future.activity_id)
        fine = end == "completed" or (end == "cancelled" and future.activity_id not in self._bystanders)
        if not fine or attempt > 1 or (said is False and end != "completed"):
            self.tally.faults.append(f"{future.activity_id} {end} on attempt {attempt}, its cancel said {said}")
        what = "cancelled while it ran" if end == "cancelled" and attempt else end
        self.tally.ends["neighbours" if future.activity_id in self._bystanders else what] += 1

    def _look_for_repeats(self) -> None:
        starts = Counter(self._notes.read_text().split())
        repeated = [one for one in self._bystanders if starts[one] != 1]
        self.tally.faults += [f"neighbour {one} was started {starts[one]} times" for one in repeated]


def measure(arguments: argparse.Namespace) -> Sequence[Finding]:
    """Half of the cancels softly, where batches are claimed; half by force.

    Force hits one process, and what of a batch had ended in it and was not settled runs again, as after any death. So
    these claim one at a time: then a second start would be a neighbour's that was killed.
    """
    findings: list[Finding] = []
    faults: list[str] = []
    with Rig() as rig:
        for name, soft in (("heeded", True), ("by force", False)):
            queue = rig.queue()
            supervised = rig.supervise(queue, "--spares", "2", "--claim-limit", "50" if soft else "1", workers=2)
            began = time.monotonic()
            with rig.executor(queue) as executor:
                races = Races(executor, rig.folder / name, soft=soft)
                tally = races.run(arguments.count // 2)
            supervised.stop()
            faults += tally.faults
            ends = ", ".join(f"{number:,} {end}" for end, number in sorted(tally.ends.items()))
            tell(f"  {name}: {ends}; {time.monotonic() - began:.0f} s, longest call {races.longest_call * 1000:.0f} ms")
            findings.append(Finding(name=f"waiters that hang, {name}", figure=tally.hung, unit="", goal=0))
    findings.append(Finding(name="activities that a cancel was not meant for", figure=len(faults), unit="", goal=0))
    if faults:
        raise SystemExit("\n".join(faults[:20]))
    return findings


def options() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.cancel_races", description=__doc__)
    parser.add_argument("--count", type=int, default=4000, help="cancels; 100000 is the full size")
    return parser


if __name__ == "__main__":
    run("cancel_races", options().parse_args(), measure)
