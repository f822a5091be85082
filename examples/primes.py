"""Counts primes the slow way: one handler, one line of work."""

from dataclasses import dataclass

from rrqmp import WorkerEngine

engine = WorkerEngine()


@dataclass
class Range:
    below: int


@engine.activity("count_primes", timeout=30)
def count_primes(job: Range) -> int:
    return sum(all(n % d for d in range(2, int(n**0.5) + 1)) for n in range(2, job.below))


if __name__ == "__main__":
    engine.start()
