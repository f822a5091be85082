"""What supervisor, template and workers say to each other: one message, one packet.

`control` joins the supervisor and a template, `channel` the supervisor and one worker; both are SOCK_SEQPACKET, so a
packet is whole or absent, and the end of the stream means that the peer is dead.
"""

from __future__ import annotations

import array
import os
import socket
from collections.abc import Sequence
from typing import Final

import msgspec

from rrqmp.store.rules import StoreRules

PACKET_MOST: Final = 192 * 1024
DESCRIPTORS_MOST: Final = 4
# Set in the environment of everything below a supervisor: what flees its process group is found by it.
MARK_VARIABLE: Final = "RRQMP_NODE_MARK"


class WorkerConfig(msgspec.Struct, frozen=True, kw_only=True):
    """What a worker needs of the settings. `queues` in the order asked, each with its weight; times in seconds."""

    redis_url: str
    prefix: str
    queues: tuple[tuple[str, int], ...]
    weighted: bool
    rules: StoreRules
    activity_types: tuple[str, ...]
    claim_limit: int
    poll_seconds: float
    callback_seconds: float
    payload_limit: int
    nice: int
    node_name: str
    log_level: str
    log_format: str


class TypeReport(msgspec.Struct, frozen=True, kw_only=True):
    """One activity type that the application serves."""

    activity_type: str
    timeout: float
    origin: str


class Imported(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Template: the application is there. `threads` counts native ones too; `settings` are the application's own."""

    types: tuple[TypeReport, ...]
    settings: dict[str, object]
    threads: int
    resident_bytes: int
    seconds: float


class ImportFailed(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Template: no application; `traceback` is the application's own, empty where it raised nothing."""

    message: str
    traceback: str = ""


class Configure(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Supervisor to template: the settled settings; descriptors: board, wake eventfd, counts if wanted."""

    config: WorkerConfig
    supervisor_pid: int


class Configured(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Template: warmed up and ready to fork."""

    resident_bytes: int


class Fork(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Supervisor to template: fork life number `life`; descriptors: channel end, dump memfd."""

    life: int


class Forked(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Template: `pid` runs as a child of the supervisor, or 0 and the errno that fork gave."""

    life: int
    pid: int
    errno: int = 0


class Close(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Supervisor to template: leave when you can."""


class Go(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Supervisor to worker: your page is there and I hold your pidfd; set yourself up."""

    page: int


class Take(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Supervisor to worker: you are process `inc` of `slot`; settle `report` (encoded, or empty) before you claim.

    `aside` are types whose `setup` has killed its process lately, and for how many seconds they are to be left alone.
    """

    node: str
    slot: int
    inc: int
    report: bytes = b""
    aside: tuple[tuple[str, float], ...] = ()


class CallBack(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Supervisor to worker: this activity has failed for good, and no process was there to call `on_dead_letter`."""

    queue: int
    activity_id: str


class Drain(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Supervisor to worker: finish what you run, give back the rest, leave."""


class Ready(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Worker: set up and connected."""


class Settled(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Worker: the report given with TAKE is settled; its page may be used again."""


class Leaving(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Worker: I exit of my own will; `reason` is one word."""

    reason: str


class Idle(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Worker: my handlers are there, and I wait for a job; each `Answer` says the same again."""


class Job(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Supervisor to worker: run this; a large body comes as a descriptor (`enclosing`). `deadline_ns` is monotonic."""

    number: int
    activity_id: str
    activity_type: str
    attempt: int
    deadline_ns: int
    # How many jobs wait behind it.
    waiting: int
    body: bytes


class Account(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Supervisor to worker: tell your telemetry of a job that no worker ended."""

    body: bytes


class Answer(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Worker: the outcome of job `number`; a large body comes as a descriptor (`enclosing`)."""

    number: int
    body: bytes


FromTemplate = Imported | ImportFailed | Configured | Forked
ToTemplate = Configure | Fork | Close
FromWorker = Ready | Settled | Leaving | Idle | Answer
ToWorker = Go | Take | Drain | CallBack | Job | Account
Message = FromTemplate | ToTemplate | FromWorker | ToWorker

_ANCILLARY_BYTES: Final = socket.CMSG_LEN(DESCRIPTORS_MOST * array.array("i").itemsize)
# One for all packets of a process, which reads its channels in one thread: room for the largest costs more each time
# than all else about a small one.
_buffer: Final = memoryview(bytearray(PACKET_MOST))
_room: Final = (_buffer,)
_encoder = msgspec.msgpack.Encoder()
_decoder: msgspec.msgpack.Decoder[Message] = msgspec.msgpack.Decoder(Message)


def pair() -> tuple[socket.socket, socket.socket]:
    """Two ends of one packet stream, the first non-blocking (the supervisor's), the second blocking."""
    near, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    near.setblocking(False)
    return near, far


def send(channel: socket.socket, message: Message, descriptors: Sequence[int] = ()) -> None:
    """Sends one packet. Raises `OSError` if the peer is dead, or `BlockingIOError` if it does not read."""
    packet = _encoder.encode(message)
    if descriptors:
        ancillary = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors))]
        channel.sendmsg([packet], ancillary, socket.MSG_NOSIGNAL)
    else:
        channel.send(packet, socket.MSG_NOSIGNAL)


def receive(channel: socket.socket) -> tuple[Message | None, list[int]]:
    """The next packet and the descriptors it brought (closed on exec), or `None` at the end of the stream."""
    try:
        size, ancillary, _, _ = channel.recvmsg_into(_room, _ANCILLARY_BYTES, socket.MSG_CMSG_CLOEXEC)
    except ConnectionResetError:
        return None, []
    descriptors = _descriptors(ancillary) if ancillary else []
    if not size:
        for descriptor in descriptors:
            os.close(descriptor)
        return None, []
    return _decoder.decode(_buffer[:size]), descriptors


def _descriptors(ancillary: Sequence[tuple[int, int, bytes]]) -> list[int]:
    numbers = array.array("i")
    for level, kind, content in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            numbers.frombytes(content[: len(content) - len(content) % numbers.itemsize])
    return list(numbers)
