"""What a benchmark found: plain lines for people, one JSON line for programs."""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One figure against its goal; `at` says on which side of the goal is good. `goal` is None where there is none."""

    name: str
    figure: float
    unit: str
    goal: float | None = None
    at: Literal["least", "most"] = "most"

    @property
    def reached(self) -> bool | None:
        """Whether the goal is reached; None without one."""
        if self.goal is None:
            return None
        return self.figure >= self.goal if self.at == "least" else self.figure <= self.goal

    def goal_text(self) -> str:
        """The goal as the table of the design writes it."""
        if self.goal is None:
            return "-"
        return f"{'>=' if self.at == 'least' else '<='} {short(self.goal)} {self.unit}"

    def figure_text(self) -> str:
        """The figure with its unit."""
        return f"{short(self.figure)} {self.unit}"


def short(number: float) -> str:
    """Three digits that count, without an exponent."""
    if abs(number) >= 1000:
        return f"{number:,.0f}"
    return f"{number:.3g}"


def percentile(values: Sequence[float], share: float) -> float:
    """The value that this share of all lies at or below; of few values the greatest soon."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def spread(values: Sequence[float]) -> str:
    """Median, 95th, 99th percentile and most, for a line."""
    shown = statistics.median(values), percentile(values, 0.95), percentile(values, 0.99), max(values)
    return "p50 {} p95 {} p99 {} max {} (n={})".format(*map(short, shown), len(values))


class Neighbours:
    """CPU time that others use while a benchmark runs: late wake-ups are theirs as likely as ours."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._before = self._others()

    def cores(self) -> float:
        """Cores' worth of it since the start. What the benchmark has started must be reaped by now."""
        return max(0.0, (self._others() - self._before) / (time.monotonic() - self._began))

    def _others(self) -> float:
        words = [int(word) for word in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]]
        # user, nice, system, irq, softirq, steal; not idle and iowait.
        busy = sum(words[place] for place in (0, 1, 2, 5, 6, 7)) / os.sysconf("SC_CLK_TCK")
        usage = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
        return busy - sum(one.ru_utime + one.ru_stime for one in usage)


def tell(line: str) -> None:
    """One plain line, at once: a run of half a minute should not look stuck."""
    print(line, flush=True)


def run(
    name: str, arguments: argparse.Namespace, measure: Callable[[argparse.Namespace], Sequence[Finding]]
) -> Sequence[Finding]:
    """Measures, prints each finding and, as the last line, all of them as JSON."""
    neighbours = Neighbours()
    findings = measure(arguments)
    tell(f"  other programs used {neighbours.cores():.2f} cores meanwhile")
    for finding in findings:
        verdict = {True: "reached", False: "NOT REACHED", None: ""}[finding.reached]
        tell(f"{finding.name}: {finding.figure_text()}  (goal {finding.goal_text()}) {verdict}".rstrip())
    records = [asdict(finding) | {"reached": finding.reached} for finding in findings]
    print(json.dumps({"benchmark": name, "findings": records}))
    sys.stdout.flush()
    return findings
