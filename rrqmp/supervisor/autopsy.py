"""Reaping a dead worker and writing down what it died of."""

from __future__ import annotations

import os
import re
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rrqmp.kernel.signals import DUMP_AND_DIE, signal_name
from rrqmp.model.attempt import AttemptKind
from rrqmp.shared_state.board import KillReason, Word, WorkerState
from rrqmp.shared_state.exit_report import BrokenAttempt, ExitReport
from rrqmp.shared_state.stack_text import stuck_at, trim
from rrqmp.supervisor.judgement import Charge, Record, judge
from rrqmp.supervisor.worker_handle import WorkerHandle

_DUMP_HEAD_BYTES: Final = 16 * 1024
_DUMP_TAIL_BYTES: Final = 32 * 1024
_NS: Final = 1e9
# What ran, where no activity is charged.
_WHOSE_CODE: Final = {
    WorkerState.STARTING: "in on_worker_start",
    WorkerState.SETTING_UP: "in setup of {}",
    WorkerState.RECOVERING: "in on_dead_letter of {}",
    WorkerState.LEAVING: "in teardown or on_worker_stop",
}
_LINE_FEED: Final = "\n"
_FOREIGN: Final = re.compile(r"[^\n -~]")


@dataclass(frozen=True, slots=True)
class ExitStatus:
    """What `wait4` said. `signal` is 0 for an exit, `code` then counts."""

    signal: int
    code: int
    cpu_seconds: float
    max_rss_bytes: int


def reap(pid: int) -> ExitStatus | None:
    """Reaps one child; `None` if it is not dead yet. Raises `ChildProcessError` if it is no child of ours."""
    found, status, usage = os.wait4(pid, os.WNOHANG)
    if found == 0:
        return None
    died_of = os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
    code = os.WEXITSTATUS(status) if os.WIFEXITED(status) else 0
    return ExitStatus(died_of, code, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024)


def read_dump(descriptor: int, first: int = 0) -> str:
    """What a worker has dumped from that offset on, without the middle of a long one.

    Both ends count: a process with many threads writes its main one first, one with few writes it last.
    """
    size = os.fstat(descriptor).st_size - first
    if size <= _DUMP_HEAD_BYTES + _DUMP_TAIL_BYTES:
        return _printable(os.pread(descriptor, max(0, size), first))
    head = _printable(os.pread(descriptor, _DUMP_HEAD_BYTES, first))
    tail = _printable(os.pread(descriptor, _DUMP_TAIL_BYTES, first + size - _DUMP_TAIL_BYTES))
    return f"{head.rpartition(_LINE_FEED)[0]}\n[...]\n{tail.partition(_LINE_FEED)[2]}"


def _printable(dump: bytes) -> str:
    # faulthandler writes ASCII; anything else is the handler's. It would reach a terminal, and as JSON take six times
    # its room, more than one packet to the successor can hold.
    return _FOREIGN.sub("?", dump.decode("ascii", "replace"))


class MemoryKills:
    """Whether the kernel has killed for memory since the last look."""

    def __init__(self, path: Path = Path("/proc/vmstat")) -> None:
        self._path = path
        self._seen = self._count()

    def risen(self) -> bool:
        """Looks, and remembers."""
        before, self._seen = self._seen, self._count()
        return self._seen > before

    def _count(self) -> int:
        try:
            for line in self._path.read_text().splitlines():
                if line.startswith("oom_kill "):
                    return int(line.split()[1])
        except OSError:
            pass
        return 0


def examine(
    handle: WorkerHandle, status: ExitStatus, node: str, queues: tuple[str, ...], memory_kills: MemoryKills
) -> ExitReport:
    """The one record of this death: what ended it, whom it is charged to, what it cost, where it was stuck."""
    record = Record.read(handle.page)
    unordered_kill = status.signal == 9 and handle.ordered is KillReason.NONE
    charge = judge(record, memory_kill=unordered_kill and memory_kills.risen())
    dump = trim(read_dump(handle.dump, handle.dumped_from))
    notes = list(handle.notes)
    if charge is None and handle.ordered in (KillReason.NONE, KillReason.TIMED_OUT) and record.seq != record.ended:
        notes.append(_WHOSE_CODE.get(record.state, "in no activity").format(handle.page.activity_type()))
    if charge is not None and not dump and not any(note.startswith("no stack") for note in notes):
        notes.append(_why_no_stack(status, charge))
    return ExitReport(
        summary=_summary(handle, status, record, charge),
        node=node,
        pid=handle.pid,
        slot=handle.slot.number if handle.slot else None,
        inc=handle.inc,
        ended_at=time.time(),
        life_seconds=time.monotonic() - handle.born,
        cpu_seconds=status.cpu_seconds,
        peak_bytes=_own_peak(handle, status),
        signal=signal_name(status.signal) if status.signal else "",
        exit_code=None if status.signal else status.code,
        where=stuck_at(dump),
        stack=dump,
        notes=tuple(notes),
        broken=_broken(handle, status, charge, node, queues) if charge else None,
    )


def _broken(
    handle: WorkerHandle, status: ExitStatus, charge: Charge, node: str, queues: tuple[str, ...]
) -> BrokenAttempt:
    words = handle.page.words
    place = words[Word.QUEUE]
    slot = handle.slot.number if handle.slot else 0
    return BrokenAttempt(
        queue=queues[place] if place < len(queues) else "",
        activity_id=handle.page.activity_id().strip(),
        activity_type=handle.page.activity_type(),
        token=f"{node}/{slot}.{handle.inc}.{words[Word.CLAIM_SEQ]}",
        kind=charge.kind,
        attempt=words[Word.ATTEMPT],
        run_seconds=max(0.0, (time.monotonic_ns() - words[Word.STARTED]) / _NS),
        cpu_seconds=max(0.0, status.cpu_seconds - words[Word.CPU_AT_START] / _NS),
        after_return=charge.after_return,
    )


def _own_peak(handle: WorkerHandle, status: ExitStatus) -> int | None:
    base = handle.page.words[Word.BASE_RSS]
    # The kernel's figure starts at the template's size and counts pages that are only shared.
    return max(0, status.max_rss_bytes - base) if base else None


def _summary(handle: WorkerHandle, status: ExitStatus, record: Record, charge: Charge | None) -> str:
    if charge is not None:
        return charge.kind.value
    if handle.ordered is not KillReason.NONE:
        return handle.ordered.name.lower()
    if record.state is WorkerState.LEAVING and status.signal == 0 and status.code == 0:
        return "left"
    if status.signal:
        return "killed"
    return "left" if status.code == 0 else AttemptKind.FAILED.value


def _why_no_stack(status: ExitStatus, charge: Charge) -> str:
    if charge.after_return:
        return "no stack: the handler had returned"
    if not status.signal:
        return "no stack: the process left by itself, by an exit call outside Python"
    if status.signal == 9:
        return "no stack: SIGKILL leaves no time to write one"
    if status.signal == DUMP_AND_DIE:
        return "no stack: the dump was ordered and could not be written"
    return "no stack: the thread that died had no stack of its own to write one on"
