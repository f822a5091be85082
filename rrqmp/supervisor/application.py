"""The template in use: started first, since only the application knows its own settings; replaced when it dies."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from rrqmp.shared_state.exit_codes import ExitCode
from rrqmp.shared_state.launch import AppReference, Launch
from rrqmp.shared_state.messages import Forked, Imported, ImportFailed, WorkerConfig
from rrqmp.supervisor.log import LOGGER
from rrqmp.supervisor.start_failure import StartFailure
from rrqmp.supervisor.template_handle import TemplateHandle, TemplateStage, template_environment

_SLOW_SECONDS: Final = 10.0
_DEATHS_SECONDS: Final = 60.0
_DEATHS_ALLOWED: Final = 3
# A worker has a core to itself; threads of the template at a fork are a hazard worth a line in the log.
_THREADS_WITHOUT_WORRY: Final = 1


def launch_of(app: str, app_dir: str) -> Launch:
    """The launch order for `--app module:attribute`."""
    target, _, attribute = app.partition(":")
    reference = AppReference(kind="module", target=target, attribute=attribute)
    return Launch(app=reference, sys_path=(os.path.abspath(app_dir),))


@dataclass(frozen=True, slots=True)
class TemplateEvents:
    """What the node wants to hear once the template is configured."""

    on_forked: Callable[[Forked], None]
    on_serving: Callable[[TemplateHandle], None]
    on_gone: Callable[[int], None]
    on_boot_loop: Callable[[str], None]


@dataclass(slots=True, eq=False)
class Application:
    """Owns the template processes; workers are the crew's."""

    launch: Launch
    mark: str
    threads: int
    key: str = field(default="", repr=False)
    handle: TemplateHandle | None = None
    report: Imported | None = None
    _first: asyncio.Future[Imported | ImportFailed] | None = None
    _given: tuple[WorkerConfig, *tuple[int, ...]] | None = None
    _events: TemplateEvents | None = None
    _deaths: list[float] = field(default_factory=list)
    _closing: bool = False
    _gone: asyncio.Event = field(default_factory=asyncio.Event)

    async def import_first(self) -> Imported:
        """Starts the first template and waits for its import. Raises `StartFailure`."""
        loop = asyncio.get_running_loop()
        self._first = loop.create_future()
        self._start()
        slow = loop.call_later(_SLOW_SECONDS, LOGGER.info, "still importing %s", self.launch.app.target)
        try:
            answer = await self._first
        finally:
            slow.cancel()
        if isinstance(answer, ImportFailed):
            text = f"{answer.message}\n{answer.traceback}".rstrip()
            raise StartFailure(ExitCode.CONFIGURATION, text)
        if answer.threads > _THREADS_WITHOUT_WORRY:
            LOGGER.warning(
                "the application has %d threads after its import: a lock that one of them holds at a fork stays "
                "locked in the worker; start threads in the handlers",
                answer.threads,
            )
        self.report = answer
        return answer

    def configure(
        self, config: WorkerConfig, board: int, wake: int, events: TemplateEvents, *, counts: int | None = None
    ) -> None:
        """Hands the settled settings to this template and to every later one."""
        descriptors = (board, wake) if counts is None else (board, wake, counts)
        self._given, self._events = (config, *descriptors), events
        if self.handle is not None:
            self.handle.configure(config, *descriptors)

    async def close(self, seconds: float) -> None:
        """Lets the template leave; kills it after that time."""
        self._closing = True
        handle = self.handle
        if handle is None or handle.stage is TemplateStage.DEAD:
            return
        handle.close()
        if not await self._gone_within(seconds):
            handle.kill()
            await self._gone.wait()

    async def _gone_within(self, seconds: float) -> bool:
        try:
            async with asyncio.timeout(seconds):
                await self._gone.wait()
        except TimeoutError:
            return False
        return True

    def pids(self) -> set[int]:
        """Templates that are alive; each leads its own group."""
        return {self.handle.pid} if self.handle and self.handle.stage is not TemplateStage.DEAD else set()

    def _start(self) -> None:
        self.handle = TemplateHandle(
            generation=1,
            on_imported=self._imported,
            on_serving=self._serving,
            on_forked=self._forked,
            on_death=self._died,
        )
        keep = () if self.launch.pickle_fd is None else (self.launch.pickle_fd,)
        self.handle.start(self.launch, template_environment(os.environ, self.mark, self.threads, self.key), keep)

    def _imported(self, handle: TemplateHandle, answer: Imported | ImportFailed) -> None:
        if self._first is not None and not self._first.done():
            self._first.set_result(answer)
        elif isinstance(answer, ImportFailed):
            LOGGER.error("a new template could not import the application: %s\n%s", answer.message, answer.traceback)
        elif self._given is not None:
            handle.configure(*self._given)

    def _serving(self, handle: TemplateHandle) -> None:
        if self._events is not None:
            self._events.on_serving(handle)

    def _forked(self, message: Forked) -> None:
        if self._events is not None:
            self._events.on_forked(message)

    def _died(self, handle: TemplateHandle) -> None:
        if self._events is not None:
            self._events.on_gone(handle.generation)
        if self._closing:
            self._gone.set()
            return
        if self._first is not None and not self._first.done():
            self._first.set_result(
                ImportFailed(message=f"{self.launch.app.target} ended the process it was imported in")
            )
            return
        if self._events is None:
            return
        now = time.monotonic()
        self._deaths = [when for when in self._deaths if now - when < _DEATHS_SECONDS] + [now]
        if len(self._deaths) >= _DEATHS_ALLOWED:
            self._events.on_boot_loop(f"the template died {len(self._deaths)} times within {_DEATHS_SECONDS:.0f} s")
            return
        LOGGER.warning("the template (pid %d) died: workers go on, a new one is started", handle.pid)
        self._start()
