"""Where a pool's calls go: to workers that serve a queue somewhere, or to a server and workers of the pool's own."""

from __future__ import annotations

import os
import shutil
import tempfile
import threading
from collections.abc import Callable
from functools import partial
from secrets import token_bytes, token_hex
from typing import Final, Protocol

import cloudpickle  # type: ignore[import-untyped] # it ships no types

from rrqmp.client.reach import Reach
from rrqmp.client.redis_config import RedisConfig
from rrqmp.engine.carrying import unnamed_file
from rrqmp.engine.child import SupervisorChild
from rrqmp.engine.reference import search_path
from rrqmp.errors import ActivityUnsuccessful
from rrqmp.pool.application import ONCE, pool_application
from rrqmp.pool.handler import Preparation
from rrqmp.pool.signing import Direction
from rrqmp.pool.standby import Standby
from rrqmp.settings.resolution import CONFIG_VARIABLE, NODE_MARK_VARIABLE
from rrqmp.settings.table import ENVIRONMENT_PREFIX
from rrqmp.shared_state.launch import AppReference
from rrqmp.store.embedded import find_binary
from rrqmp.store.keys import QueueKeys
from rrqmp.store.rules import StoreRules

LOCAL_QUEUE: Final = "pool"
# Just below what the server takes in one piece.
LOCAL_LIMIT_BYTES: Final = 500 * 2**20
_PREFIX: Final = "rrqmp"
_RESEND_SECONDS: Final = 30.0
_CLOSE_SECONDS: Final = 10.0


class Site(Protocol):
    """One place where calls run."""

    @property
    def keys(self) -> QueueKeys: ...

    @property
    def rules(self) -> StoreRules: ...

    @property
    def limit(self) -> int:
        """Bytes of a parcel at most."""
        ...

    def prepare(self) -> None:
        """Starts the threads that it will need. Without I/O: the first call of a pool waits for it."""

    def open(self, on_gone: Callable[[str], None]) -> Reach:
        """Makes it ready to take calls. `on_gone` is called from another thread if it ends unasked."""
        ...

    def told(self, error: BaseException) -> BaseException:
        """An error of a call as its future is to tell it."""
        ...

    def interrupt(self) -> None:
        """Stops at once what runs there, if it is the pool's own."""

    def close(self) -> None:
        """Ends it, or the connections to it."""


class RemoteSite:
    """A queue that is served by others."""

    def __init__(self, url: str, keys: QueueKeys, rules: StoreRules, limit: int) -> None:
        self.keys = keys
        self.rules = rules
        self.limit = limit
        self._ear = Standby("rrqmp-pool-notices")
        self._reach = _reach(url, self._ear)

    def prepare(self) -> None:
        """Starts the thread that hears of ends."""
        self._ear.start()

    def open(self, on_gone: Callable[[str], None]) -> Reach:
        """No I/O: the first call connects."""
        return self._reach

    def told(self, error: BaseException) -> BaseException:
        """As it is."""
        return error

    def interrupt(self) -> None:
        """Does nothing: the workers are not ours."""

    def close(self) -> None:
        """Closes the connections."""
        self._reach.close()
        self._ear.dismiss()


class LocalSite:
    """A server that keeps no file, a supervisor and workers, in a private folder: gone with this process."""

    def __init__(self, max_workers: int, limit: int, preparation: Preparation) -> None:
        self.keys = QueueKeys(LOCAL_QUEUE, _PREFIX)
        self.rules = StoreRules(max_crashes=1, max_losses=1)
        self.limit = limit
        self.key = token_bytes(32)
        self._max_workers = max_workers
        self._preparation = preparation
        self._folder = ""
        self._child: SupervisorChild | None = None
        self._reach: Reach | None = None
        self._closing = False
        self._watched: threading.Thread | None = None
        self._watcher = Standby("rrqmp-pool-watch")
        self._ear = Standby("rrqmp-pool-notices")
        # Said now, where somebody is there to hear it.
        find_binary()

    def prepare(self) -> None:
        """Starts the threads that watch the supervisor and hear of ends."""
        self._watcher.start()
        self._ear.start()

    def open(self, on_gone: Callable[[str], None]) -> Reach:
        """Starts everything and returns when calls are being taken; raises `WorkerError` where that fails."""
        self._folder = tempfile.mkdtemp(prefix="rrqmp-pool-")
        url = f"embedded:{self._folder}/server?memory"
        # By an unnamed file and not by the environment, which every program started there would inherit.
        carried = unnamed_file(cloudpickle.dumps(pool_application(self.key, self.limit, self._preparation)))
        try:
            self._child = SupervisorChild.start(
                AppReference(kind="pickle"),
                search_path(),
                carried,
                flags=self._flags(url),
                environ=_bare_environment(),
                own_folder=self._folder,
            )
        finally:
            os.close(carried)
        self._child.wait_until_ready()
        self._watched = self._watcher.take(partial(self._watch, self._child, on_gone))
        self._reach = _reach(url, self._ear)
        return self._reach

    def told(self, error: BaseException) -> BaseException:
        """Without the advice to look into a store that nobody else can reach."""
        if not isinstance(error, ActivityUnsuccessful):
            return error
        return type(error)(str(error).partition(". See: ")[0], error.record, error.attempts)

    def interrupt(self) -> None:
        """Stops the supervisor: what runs is killed."""
        if self._child is not None:
            self._child.ask_to_stop()

    def close(self) -> None:
        """Stops everything in order and removes the folder; may be called after any failure."""
        self._closing = True
        if self._reach is not None:
            self._reach.close()
        if self._child is not None:
            self._child.ask_to_stop()
            if not self._child.wait(_CLOSE_SECONDS):
                self._child.kill()
            self._child.leave()
        if self._watched is not None:
            self._watched.join()
        self._watcher.dismiss()
        self._ear.dismiss()
        if self._folder:
            shutil.rmtree(self._folder, ignore_errors=True)

    def _watch(self, child: SupervisorChild, on_gone: Callable[[str], None]) -> None:
        child.wait()
        if not self._closing:
            on_gone(f"its supervisor (pid {child.pid}) has ended, and its workers with it")

    def _flags(self, url: str) -> list[str]:
        flags: dict[str, object] = {
            "redis-url": url,
            "queue": LOCAL_QUEUE,
            "prefix": _PREFIX,
            "activity-type": Direction.CALL.value,
            "workers": self._max_workers,
            "node": f"pool-{token_hex(4)}",
            "runtime-dir": f"{self._folder}/run",
            # Nobody waits any more for what runs at a stop.
            "shutdown-timeout": 0,
            "payload-limit": self.limit,
            "log-level": "error",
            **{name.replace("_", "-"): value for name, value in ONCE.items()},
        }
        return [f"--{name}={value}" for name, value in flags.items()]


def _reach(url: str, ear: Standby) -> Reach:
    return Reach(url, RedisConfig(), resend_seconds=_RESEND_SECONDS, name="rrqmp-pool", start_thread=ear.take)


def user_environment() -> dict[str, str]:
    """The settings of this process's environment: those of the user's own program, and none of the pool's affair."""
    return {name: value for name, value in os.environ.items() if _is_setting(name)}


def _bare_environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not _is_setting(name)}
    # An empty one, so that no file of the current folder is read.
    return {**kept, CONFIG_VARIABLE: os.devnull}


def _is_setting(name: str) -> bool:
    return name.startswith(ENVIRONMENT_PREFIX) and name != NODE_MARK_VARIABLE
