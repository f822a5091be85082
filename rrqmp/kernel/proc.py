"""What /proc says of a process. Every reader answers with nothing, not an error, for a process that has gone."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Final

PAGE_SIZE: Final = os.sysconf("SC_PAGE_SIZE")


def _read(path: str) -> bytes:
    try:
        with open(path, "rb", buffering=0) as file:
            return file.read() or b""
    except OSError:
        return b""


def start_time(pid: int) -> int:
    """Clock ticks from boot to the start of `pid`: with the number it names one process for good. 0 if gone."""
    # The command name may hold spaces and brackets; the last bracket ends it.
    tail = _read(f"/proc/{pid}/stat").rpartition(b")")[2].split()
    return int(tail[19]) if len(tail) > 19 else 0


def parent(pid: int) -> int:
    """The parent of `pid`; 0 if either is gone, or not to be seen from here."""
    tail = _read(f"/proc/{pid}/stat").rpartition(b")")[2].split()
    return int(tail[1]) if len(tail) > 1 else 0


def resident_bytes(pid: int) -> int:
    """Resident memory of `pid` in bytes, shared pages included; 0 if gone."""
    words = _read(f"/proc/{pid}/statm").split()
    return int(words[1]) * PAGE_SIZE if len(words) > 1 else 0


def children(pid: int) -> list[int]:
    """Direct children of all threads of `pid`, zombies among them."""
    found: list[int] = []
    try:
        threads = os.listdir(f"/proc/{pid}/task")
    except OSError:
        return found
    for thread in threads:
        found += [int(child) for child in _read(f"/proc/{pid}/task/{thread}/children").split()]
    return found


def descendants(pid: int) -> list[int]:
    """All below `pid`, nearest first. A tree that changes meanwhile is seen in part: call again until it is empty."""
    found: list[int] = []
    level = children(pid)
    while level:
        found += level
        level = [grandchild for child in level for grandchild in children(child)]
    return found


def thread_count(pid: int) -> int:
    """Threads of `pid`, native ones included, which `threading` does not know; 0 if gone."""
    try:
        return len(os.listdir(f"/proc/{pid}/task"))
    except OSError:
        return 0


def command_line(pid: int) -> str:
    """Arguments of `pid`, joined by blanks."""
    return _read(f"/proc/{pid}/cmdline").replace(b"\0", b" ").decode(errors="replace").strip()


def wait_channel(pid: int) -> str:
    """The kernel function that `pid` sleeps in, where the kernel tells; else empty."""
    name = _read(f"/proc/{pid}/wchan").decode(errors="replace").strip()
    return "" if name == "0" else name


def pids_with_environment(name: str, value: str) -> list[int]:
    """Processes that were started with `name=value` in their environment, this one left out."""
    mark = f"{name}={value}".encode()
    own = os.getpid()
    pids = [int(entry) for entry in os.listdir("/proc") if entry.isdigit()]
    return [pid for pid in pids if pid != own and mark in _read(f"/proc/{pid}/environ").split(b"\0")]


@dataclass(frozen=True, slots=True)
class SignalState:
    """What `pid` does with signals: sets of signal numbers as bit masks, bit 0 for signal 1."""

    blocked: int
    caught: int
    threads: int
    state: str

    def would_catch(self, number: int) -> bool:
        """Whether a handler is installed for `number` and nothing blocks it."""
        bit = 1 << (number - 1)
        return bool(self.caught & bit) and not self.blocked & bit


def signal_state(pid: int) -> SignalState | None:
    """Reads `/proc/PID/status` (3 microseconds); `None` if the process has gone."""
    fields = dict(line.split(b":", 1) for line in _read(f"/proc/{pid}/status").splitlines() if b":" in line)
    if b"SigCgt" not in fields:
        return None
    return SignalState(
        blocked=int(fields[b"SigBlk"], 16),
        caught=int(fields[b"SigCgt"], 16),
        threads=int(fields[b"Threads"]),
        state=fields[b"State"].split()[0].decode(),
    )


def descriptor_target(pid: int, descriptor: int) -> str:
    """What a descriptor of `pid` points at, as its link reads; empty if it is closed or the process has gone."""
    try:
        return os.readlink(f"/proc/{pid}/fd/{descriptor}")
    except OSError:
        return ""
