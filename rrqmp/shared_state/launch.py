"""How a script or a command tells the supervisor which application to run and whom to outlive."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

import msgspec


class AppReference(msgspec.Struct, frozen=True, kw_only=True):
    """Where the template finds the application.

    `module`: `target` is an importable module. `script`: `target` is a file, run again as `__rrqmp_main__`. `pickle`:
    the application comes as cloudpickle on a descriptor. `attribute` names the object in it, empty for the default.
    """

    kind: Literal["module", "script", "pickle"]
    target: str = ""
    attribute: str = ""


class Service(StrEnum):
    """Where the workers' activities come from: a queue in Redis, or jobs that the supervisor hands over."""

    QUEUE = "queue"
    JOBS = "jobs"


class Launch(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A start by another program. `parent_fd` is a socket: `ready` is written to it, its end means stop.

    `own_folder` was made for this one run, and is removed at its end.
    """

    app: AppReference
    sys_path: tuple[str, ...] = ()
    service: Service = Service.QUEUE
    parent_fd: int | None = None
    pickle_fd: int | None = None
    own_folder: str = ""


def encode_launch(launch: Launch) -> str:
    """The launch order as one command-line argument."""
    return msgspec.json.encode(launch).decode()


def decode_launch(text: str) -> Launch:
    """Reads a launch order; raises `msgspec.DecodeError` on anything else."""
    return msgspec.json.decode(text.encode(), type=Launch)
