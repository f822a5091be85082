"""Where an embedded server lives: its directory and socket, the same for whoever resolves the same URL."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from rrqmp.errors import ConfigurationError

EMBEDDED_SCHEME: Final = "embedded:"
_DEFAULT_NAME: Final = "default"
_IN_MEMORY: Final = "memory"
# A socket's path must fit 108 bytes on Linux, 104 on macOS.
_MAX_SOCKET_PATH: Final = 100


@dataclass(frozen=True, slots=True)
class EmbeddedPlace:
    """`directory` holds the append-only file, the log and the lock; the socket lies there if its path is short."""

    directory: Path
    socket: Path
    # Keeps no file: for who starts it for one run of a program.
    in_memory: bool = False

    @property
    def lock(self) -> Path:
        """Held by the server process for as long as it lives."""
        return self.directory / "lock"

    @property
    def log(self) -> Path:
        """What the server says."""
        return self.directory / "server.log"


def is_embedded(url: str) -> bool:
    """Whether this URL names a server that rrqmp starts itself."""
    if not isinstance(url, str):
        raise ConfigurationError(f"Redis URL is {url!r}: give a string such as redis://localhost:6379")
    return url.startswith(EMBEDDED_SCHEME)


def resolve_embedded(url: str, environ: Mapping[str, str] = os.environ) -> EmbeddedPlace:
    """The place of `embedded:` (one per user), `embedded:NAME` or `embedded:/path`; `?memory` keeps no file."""
    target, _, wish = url.removeprefix(EMBEDDED_SCHEME).partition("?")
    if wish:
        if wish != _IN_MEMORY:
            raise ConfigurationError(f"Redis URL {url!r}: after the question mark only {_IN_MEMORY!r} can stand")
        return replace(resolve_embedded(f"{EMBEDDED_SCHEME}{target}", environ), in_memory=True)
    if target.startswith("/"):
        return embedded_place(Path(target), environ)
    name = target or _DEFAULT_NAME
    if "/" in name or name in (".", "..") or not name.isprintable():
        raise ConfigurationError(f"Redis URL {url!r}: give embedded:, embedded:NAME or embedded:/absolute/path")
    state = environ.get("XDG_STATE_HOME") or os.path.join(os.path.expanduser("~"), ".local", "state")
    return embedded_place(Path(state) / "rrqmp" / name, environ)


def embedded_place(directory: Path, environ: Mapping[str, str] = os.environ) -> EmbeddedPlace:
    """The place in this directory; a socket whose path would be too long moves to a private runtime directory."""
    socket = directory / "server.sock"
    if len(os.fsencode(socket)) > _MAX_SOCKET_PATH:
        short = hashlib.sha256(os.fsencode(directory)).hexdigest()[:16]
        socket = _runtime_directory(environ) / f"{short}.sock"
    return EmbeddedPlace(directory, socket)


def _runtime_directory(environ: Mapping[str, str]) -> Path:
    runtime = environ.get("XDG_RUNTIME_DIR")
    if runtime and os.path.isdir(runtime):
        return Path(runtime) / "rrqmp"
    return Path(tempfile.gettempdir()) / f"rrqmp-{os.getuid()}"
