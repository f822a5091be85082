"""A node as it describes itself once a heartbeat, and as an operator sees it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import msgspec


class SlotState(StrEnum):
    """What a slot does. `killing`: its process is being killed; `empty`: it waits for a process."""

    STARTING = "starting"
    IDLE = "idle"
    BUSY = "busy"
    WAITING = "waiting"
    DRAINING = "draining"
    KILLING = "killing"
    EMPTY = "empty"


class SlotDescription(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """One slot and what runs in it. Times are seconds since 1970; `own_bytes` is what the process has grown by.

    `progress` is a share of 1 as the handler told it, `progress_text` its words.
    """

    slot: int
    state: SlotState
    pid: int = 0
    activity_id: str = ""
    activity_type: str = ""
    queue: str = ""
    attempt: int = 0
    started_at: float | None = None
    deadline_at: float | None = None
    own_bytes: int | None = None
    progress: float | None = None
    progress_text: str = ""


class NodeDescription(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """One supervisor with its slots. `spares` are processes that wait for a slot."""

    host: str = ""
    pid: int = 0
    version: str = ""
    started_at: float = 0.0
    told_at: float = 0.0
    queues: tuple[str, ...] = ()
    spares: int = 0
    is_draining: bool = False
    slots: tuple[SlotDescription, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeView:
    """A node as a queue knows it. `lease_seconds` is what is left of its lease; `None` for one that was fenced.

    `described` is what it last told of itself, at most a heartbeat ago; `None` where that has lapsed.
    """

    name: str
    boot: str
    lease_seconds: float | None
    described: NodeDescription | None = None


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(NodeDescription)


def encode_description(description: NodeDescription) -> bytes:
    """The stored form."""
    return _encoder.encode(description)


def decode_description(stored: bytes) -> NodeDescription:
    """Reads the stored form; raises `msgspec.MsgspecError` on foreign bytes."""
    return _decoder.decode(stored)
