"""What an operator has closed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueGates:
    """Pauses and limits of one queue; `running` says how much of each type runs now.

    `paused_types` are those that were paused by name, whether or not the whole queue is.
    """

    is_paused: bool = False
    paused_types: frozenset[str] = frozenset()
    limits: Mapping[str, int] = field(default_factory=dict)
    running: Mapping[str, int] = field(default_factory=dict)
