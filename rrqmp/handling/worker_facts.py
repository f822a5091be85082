"""What `setup` and the hooks around a worker's life are told of the process that they run in."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class WorkerInfo:
    """One worker process. `slot` counts from 0; in a start hook it is `None` for a spare, which has none yet."""

    node: str
    slot: int | None
    pid: int
    queues: tuple[str, ...]
