"""The fleet as the explorer plays it: nodes, their slots, and what each process has been told."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from rrqmp.store.calls.cycle import Settlement, SlotIdent
from rrqmp.store.script import Call


@dataclass(slots=True)
class Process:
    """A worker process. `held` is what it believes to run, `pending` the call whose answer it still waits for."""

    ident: SlotIdent
    seq: int = 0
    held: dict[str, str] = field(default_factory=dict)
    past: list[tuple[str, str]] = field(default_factory=list)
    pending: Call[Any] | None = None
    pending_settlements: tuple[Settlement, ...] = ()
    pending_seq: int = 0
    # The id and token that the dead predecessor ran, to be settled in the first call.
    report: tuple[str, str] | None = None


@dataclass(slots=True)
class Node:
    """A supervisor with its slots. `stalled` beats no more, though its workers live."""

    name: str
    boot: int = 1
    stalled: bool = False
    processes: dict[int, Process] = field(default_factory=dict)
    incs: dict[int, int] = field(default_factory=dict)

    @property
    def node(self) -> str:
        return f"{self.name}@{self.boot}"

    def spawn(self, slot: int) -> Process:
        self.incs[slot] = self.incs.get(slot, 0) + 1
        self.processes[slot] = Process(SlotIdent(self.node, slot, self.incs[slot]))
        return self.processes[slot]

    def reboot(self, slots: int) -> None:
        """A new boot: every process is new, nothing is remembered."""
        self.boot += 1
        self.stalled = False
        self.processes.clear()
        self.incs.clear()
        for slot in range(slots):
            self.spawn(slot)
