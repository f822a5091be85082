"""What an operator may close: a type is paused, or limited in how many of it run at once in the whole fleet."""

from __future__ import annotations

from typing import Any, Final

from rrqmp.model.gates import QueueGates
from rrqmp.store.keys import QueueKeys
from rrqmp.store.script import Call, load_script

ALL_TYPES: Final = "*"


def pause(keys: QueueKeys, activity_type: str = ALL_TYPES) -> Call[None]:
    """Nothing of the type is claimed any more; what runs goes on."""
    return Call(load_script("pause"), keys.script_keys, (activity_type,), _read_nothing)


def resume(keys: QueueKeys, activity_type: str = ALL_TYPES) -> Call[None]:
    """Takes the pause back and wakes workers."""
    return Call(load_script("resume"), keys.script_keys, (activity_type,), _read_nothing)


def limit(keys: QueueKeys, activity_type: str, most: int | None) -> Call[None]:
    """At most `most` of the type run at once; `None` takes the limit away."""
    return Call(load_script("limit"), keys.script_keys, (activity_type, "" if most is None else most), _read_nothing)


def gates(keys: QueueKeys) -> Call[QueueGates]:
    """What is paused and limited, and how much of each type runs."""
    return Call(load_script("gates"), keys.script_keys, (), _read_gates)


def _read_gates(reply: Any) -> QueueGates:
    paused, limits, running = reply
    types = frozenset(name.decode(errors="replace") for name in paused)
    return QueueGates(
        is_paused=ALL_TYPES in types,
        paused_types=types - {ALL_TYPES},
        limits=_numbers(limits),
        # A stranger who deleted records may have left a count below zero.
        running={name: number for name, number in _numbers(running).items() if number > 0},
    )


def _numbers(flat: Any) -> dict[str, int]:
    pairs = zip(flat[::2], flat[1::2], strict=True)
    return {name.decode(errors="replace"): int(number) for name, number in pairs if number.lstrip(b"-").isdigit()}


def _read_nothing(reply: Any) -> None:
    return None
