"""What `setup` and the hooks around a worker's life are told of the process that they run in."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class WorkerInfo:
    """One worker process. `slot` counts from 0 and is `None` before the process has been given one."""

    node: str
    slot: int | None
    pid: int
    queues: tuple[str, ...]
