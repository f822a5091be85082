"""From the fork to READY: everything that ties a new worker to its supervisor and unties it from the template."""

from __future__ import annotations

import atexit
import gc
import os
import socket
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, NoReturn

from rrqmp.errors import StoreUnavailable
from rrqmp.handling.application import Application
from rrqmp.kernel import prctl, proc
from rrqmp.kernel.descriptors import move_high
from rrqmp.shared_state import messages
from rrqmp.shared_state.board import Word, WorkerState, map_head, map_page
from rrqmp.shared_state.messages import Go, Ready, WorkerConfig
from rrqmp.store.connection import BlockingConnection
from rrqmp.telemetry.shared_counts import CountsWriter, SeriesTable
from rrqmp.worker.attempt_metrics import AttemptMetrics
from rrqmp.worker.dumps import Dumps
from rrqmp.worker.hooked import EXIT_HOOK_FAILED, start_hooks_pass, take_leave
from rrqmp.worker.job_life import JobLife
from rrqmp.worker.life import Equipment, Life
from rrqmp.worker.record import Record
from rrqmp.worker.signals import DeafToStops

_ADOPTION_SECONDS: Final = 1.0
_ADOPTION_STEP: Final = 0.0002
_OOM_SCORE_ADDED: Final = 500
EXIT_ORPHANED: Final = 73
EXIT_INTERNAL: Final = 70


@dataclass(frozen=True, slots=True)
class Inheritance:
    """What the template hands to one child. Descriptors are numbers.

    `control` is the template's own and gets closed; `connection` has no socket yet, and is None where the jobs come
    from the supervisor. `counts` is -1 where nobody counts.
    """

    control: socket.socket
    channel: int
    dump: int
    board: int
    wake: int
    counts: int
    supervisor_pid: int
    config: WorkerConfig
    connection: BlockingConnection | None
    application: Application
    deaf: DeafToStops


def run_worker(inheritance: Inheritance) -> NoReturn:
    """The whole life of a worker process; leaves by `_exit` only, since the stack below is the template's."""
    status = EXIT_INTERNAL
    # Taken before handlers and our own witness may stand before it.
    leave = os._exit
    try:
        status = _live(inheritance)
    except BaseException:
        traceback.print_exc()
    finally:
        _leave(status, leave)


def _live(inheritance: Inheritance) -> int:
    inheritance.control.close()
    channel = socket.socket(fileno=move_high(inheritance.channel))
    _forget_the_template()
    config = inheritance.config
    connection = inheritance.connection
    if connection is not None:
        _connect(connection)
    go, _ = messages.receive(channel)
    if not isinstance(go, Go):
        return EXIT_ORPHANED
    page = map_page(inheritance.board, go.page)
    page.words[Word.STATE] = WorkerState.STARTING
    if not _bind_to_supervisor(inheritance.supervisor_pid):
        return EXIT_ORPHANED
    os.setpgid(0, 0)
    prctl.adopt_orphans()
    _step_back(config.nice)
    dumps = Dumps(inheritance.dump)
    dumps.arm()
    page.words[Word.DUMP_FD] = dumps.descriptor
    page.words[Word.BASE_RSS] = proc.resident_bytes(os.getpid())
    inheritance.deaf.arm()
    gc.enable()
    record = Record(page, map_head(inheritance.board), inheritance.wake)
    registry = inheritance.application.registry
    counts = _map_counts(inheritance.counts, page.index, config) if connection is not None else None
    # What gives jobs to its workers tells of them itself.
    metrics = AttemptMetrics(inheritance.application.metrics if connection is not None else None, counts)
    if not start_hooks_pass(registry, record, config, metrics):
        metrics.close()
        return EXIT_HOOK_FAILED
    messages.send(channel, Ready())
    life: JobLife | Life
    if connection is None:
        life = JobLife(channel, record, dumps, config, inheritance.application)
    else:
        life = Life(Equipment(channel, connection, record, dumps, metrics), config, inheritance.application)
    status = life.run()
    take_leave(registry, record, config, life.tear_down, metrics)
    life.close_telemetry()
    return status


def _map_counts(descriptor: int, page: int, config: WorkerConfig) -> CountsWriter | None:
    if descriptor < 0:
        return None
    return CountsWriter(descriptor, page, SeriesTable([name for name, _ in config.queues], config.activity_types))


def _connect(connection: BlockingConnection) -> None:
    try:
        connection.open()
    except StoreUnavailable:
        # The first call waits for it as long as it takes; to die of it would look like a worker that cannot start.
        pass


def _forget_the_template() -> None:
    """Random streams, event loops and exit hooks of the template are not the child's."""
    # numpy's and torch's global generators are copied by a fork: every worker would draw the same numbers.
    numpy_random = sys.modules.get("numpy.random")
    if numpy_random is not None:
        numpy_random.seed()
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.seed()
    events = sys.modules.get("asyncio.events")
    if events is not None:
        # Dropped, never closed: closing it would remove the parent's entries from the epoll that both share.
        events._set_running_loop(None)
        local = getattr(events, "_event_loop_policy", None)
        if local is not None:
            local.set_event_loop(None)
    # The template's exit hooks would delete its temporary directories from under it.
    atexit._clear()


def _bind_to_supervisor(supervisor_pid: int) -> bool:
    """Waits for the adoption, asks to die with the supervisor, and makes sure that it is not dead already."""
    # Asked for sooner, the death signal would be tied to the process in between, which is just about to die.
    give_up = time.monotonic() + _ADOPTION_SECONDS
    while os.getppid() != supervisor_pid:
        if time.monotonic() > give_up:
            return False
        time.sleep(_ADOPTION_STEP)
    prctl.die_with_parent()
    return os.getppid() == supervisor_pid


def _step_back(nice: int) -> None:
    """Lets the supervisor, the server and the kernel's memory killer choose against this process."""
    # Absolute, so that it does not add up over respawns; a limit may forbid it, and then it stays as it is.
    try:
        os.setpriority(os.PRIO_PROCESS, 0, nice)
    except PermissionError:
        pass
    try:
        with open("/proc/self/oom_score_adj", "r+") as file:
            own = int(file.read())
            file.seek(0)
            file.write(str(min(1000, own + _OOM_SCORE_ADDED)))
    except OSError:
        pass


def _leave(status: int, leave: Callable[[int], NoReturn]) -> NoReturn:
    try:
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
    except BaseException:
        traceback.print_exc()
    finally:
        leave(status)
