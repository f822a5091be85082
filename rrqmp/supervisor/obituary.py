"""Telling people of a death: one line with what ended it, then where it was stuck."""

from __future__ import annotations

import logging

import msgspec

from rrqmp.model.attempt import AttemptKind
from rrqmp.shared_state.exit_report import ExitReport
from rrqmp.supervisor.log import LOGGER

_ORDINARY = frozenset({"left", "released", "fenced"})


def announce(report: ExitReport, *, is_extra: bool = False) -> None:
    """Logs the exit record with all its fields; only an ordinary leaving is not worth a warning.

    Extra workers come and go with the waits of handlers: that one of them left is worth nothing.
    """
    ordinary = logging.DEBUG if is_extra else logging.INFO
    level = ordinary if report.summary in _ORDINARY and report.broken is None else logging.WARNING
    LOGGER.log(level, "%s", _text(report), extra={"exit": msgspec.to_builtins(report)})


def _text(report: ExitReport) -> str:
    place = f"slot {report.slot}" if report.slot is not None else "a spare"
    cost = f"cpu {report.cpu_seconds:.2f} s"
    if report.peak_bytes is not None:
        cost += f", peak {report.peak_bytes / 2**20:.0f} MiB"
    broken = report.broken
    if broken is None:
        how = report.signal or f"exit code {report.exit_code}"
        first = (
            f"worker in {place} (pid {report.pid}) {report.summary}: {how} after {report.life_seconds:.1f} s, {cost}"
        )
    else:
        cost = f"cpu {broken.cpu_seconds:.2f} s" + cost.partition(" s")[2]
        first = (
            f"{broken.activity_type} {broken.activity_id} attempt {broken.attempt} {report.describe()} after "
            f"{broken.run_seconds:.2f} s in {place} (pid {report.pid}): {cost}"
        )
    lines = [first, *report.notes]
    if report.stack and (broken is not None or report.summary == AttemptKind.TIMED_OUT):
        lines += report.stack.rstrip().splitlines()
    return "\n         ".join(lines)
