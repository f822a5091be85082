"""A supervisor under test: started as a process of its own, watched through its board, its log and the store."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from rrqmp.kernel import proc
from rrqmp.model.activity import ActivityRecord
from rrqmp.model.attempt import AttemptKind
from rrqmp.model.ids import new_activity_id
from rrqmp.model.spec import Spec, join_spec
from rrqmp.settings.table import ENVIRONMENT_PREFIX
from rrqmp.shared_state.board import STRIDE, Board, Page, Word, WorkerState
from rrqmp.store.calls.enqueue import MAX_ITEMS, Submission, enqueue
from rrqmp.store.calls.show import show
from rrqmp.store.calls.stats import stats
from rrqmp.store.connection import BlockingConnection
from rrqmp.store.keys import QueueKeys
from rrqmp.store.rules import StoreRules

T = TypeVar("T")
ROOT = Path(__file__).resolve().parents[2]
APPS = Path(__file__).parent / "apps"
# Everything below a supervisor under test carries it, also what flees its process group and its session.
TEST_MARK = "PROCESS_TEST_MARK"
PATIENCE = 15.0
RULES = StoreRules()


def eventually(probe: Callable[[], T], *, patience: float = PATIENCE, seen: Callable[[], object] | None = None) -> T:
    """The first true answer; fails after the patience with what was seen last."""
    deadline = time.monotonic() + patience
    while True:
        answer = probe()
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {patience} s: {seen() if seen else answer!r}")
        # Gives the processor to whoever is to make it true.
        time.sleep(0.001)


@dataclass
class Queue:
    """One queue of the test's server, from outside."""

    store: BlockingConnection
    keys: QueueKeys
    folder: Path

    def submit(
        self, activity_type: str, payload: Any = None, *, delay: float = 0, priority: int = 1, **spec: Any
    ) -> str:
        """Accepts one activity; `spec` are its options."""
        [activity_id] = self.submit_many(activity_type, [payload], delay=delay, priority=priority, **spec)
        return activity_id

    def submit_many(
        self, activity_type: str, payloads: Iterable[Any], *, delay: float = 0, priority: int = 1, **spec: Any
    ) -> list[str]:
        """Accepts many of one kind, in order."""
        options = Spec(**spec)
        items = [
            Submission(
                new_activity_id(),
                activity_type,
                join_spec(options, msgspec.json.encode(payload)),
                priority=priority,
                delay_us=round(delay * 1e6),
                expires_us=round((options.expires or 0) * 1e6),
                parent=options.parent,
            )
            for payload in payloads
        ]
        for at in range(0, len(items), MAX_ITEMS):
            self.store.run(enqueue(self.keys, RULES, items[at : at + MAX_ITEMS]))
        return [item.activity_id for item in items]

    def show(self, activity_id: str) -> ActivityRecord:
        """The record as it stands."""
        record = self.store.run(show(self.keys, activity_id))
        assert record is not None, f"{activity_id} is unknown"
        return record

    def ended(self, activity_id: str, *, patience: float = PATIENCE) -> ActivityRecord:
        """The record once it has ended."""
        self.await_(activity_id, lambda record: record.status.has_ended, patience=patience)
        return self.show(activity_id)

    def await_(
        self, activity_id: str, condition: Callable[[ActivityRecord], object], *, patience: float = PATIENCE
    ) -> ActivityRecord:
        """The record once the condition holds."""
        eventually(lambda: condition(self.show(activity_id)), patience=patience, seen=lambda: self.show(activity_id))
        return self.show(activity_id)

    def all_ended(self, ids: Iterable[str], *, patience: float = PATIENCE) -> list[ActivityRecord]:
        """All records, once each has ended."""
        deadline = time.monotonic() + patience
        return [self.ended(one, patience=max(0.01, deadline - time.monotonic())) for one in ids]

    def stats(self) -> Any:
        """Counts of this moment."""
        return self.store.run(stats(self.keys))

    # Handlers tell what they do by lines in files, and wait for files.

    def notes(self) -> Path:
        """Where handlers of this test write their lines."""
        return self.folder / "notes"

    def lines(self) -> list[Note]:
        """What handlers have written, in order."""
        try:
            text = self.notes().read_text()
        except FileNotFoundError:
            return []
        return [Note.read(line) for line in text.splitlines() if line.count(" ") >= 4]

    def noted(self, activity_id: str, attempt: int | None = None, *, patience: float = PATIENCE) -> Note:
        """The first line of that activity (and attempt), once it is there."""

        def find() -> Note | None:
            fitting = (line for line in self.lines() if line.activity_id == activity_id)
            return next((line for line in fitting if attempt in (None, line.attempt)), None)

        found = eventually(find, patience=patience, seen=lambda: (self.lines(), self.show(activity_id)))
        assert found is not None
        return found

    def gate(self, name: str = "gate") -> Path:
        """A file that handlers wait for; touch it to let them go."""
        return self.folder / name


@dataclass(frozen=True)
class Note:
    """One line of a handler: who, which attempt, where, when (monotonic nanoseconds), and a word of its own."""

    activity_id: str
    attempt: int
    pid: int
    at_ns: int
    text: str

    @classmethod
    def read(cls, line: str) -> Note:
        activity_id, attempt, pid, at_ns, text = line.split(" ", 4)
        return cls(activity_id, int(attempt), int(pid), int(at_ns), text)


@dataclass
class Supervised:
    """One supervisor process and what can be seen of it."""

    process: subprocess.Popen[bytes]
    node: str
    runtime_dir: Path
    log_path: Path
    mark: str
    stopped: bool = field(default=False)

    @property
    def log(self) -> str:
        """All that it and its workers have printed."""
        return self.log_path.read_text(errors="replace")

    def wait_ready(self) -> Supervised:
        """Waits until it serves."""
        eventually(
            lambda: "ready in " in self.log or self.process.poll() is not None,
            seen=lambda: self.log,
        )
        assert self.process.poll() is None, self.log
        return self

    def logged(self, text: str, *, patience: float = PATIENCE) -> None:
        """Waits for a text in the log."""
        eventually(lambda: text in self.log, patience=patience, seen=lambda: self.log)

    def send(self, *numbers: int) -> Supervised:
        """Signals to the supervisor alone."""
        for number in numbers:
            self.process.send_signal(number)
        return self

    def exit_code(self, *, patience: float = PATIENCE) -> int:
        """Waits for its end."""
        try:
            return self.process.wait(patience)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"still there after {patience} s:\n{self.log}") from None

    def stop(self) -> int:
        """Stops it at once: what runs goes back."""
        self.send(signal.SIGTERM, signal.SIGINT)
        return self.exit_code()

    # The board.

    @property
    def board_file(self) -> Path:
        """Its scoreboard."""
        return self.runtime_dir / f"{self.node}.board"

    def read_board(self, look: Callable[[Board], T]) -> T:
        """One look at the board from outside."""
        descriptor = os.open(self.board_file, os.O_RDONLY | os.O_CLOEXEC)
        board = Board(descriptor, os.fstat(descriptor).st_size // STRIDE, writable=False)
        try:
            return look(board)
        finally:
            board.close()

    def workers(self, *states: WorkerState) -> list[int]:
        """Pids of live workers, those in these states if any are named."""

        def find(board: Board) -> list[int]:
            found = [page for page in board.pages if page.words[Word.PID] and _is_child(page, self.process.pid)]
            return [page.words[Word.PID] for page in found if not states or page.state in states]

        try:
            return self.read_board(find)
        except FileNotFoundError:
            return []

    def idle(self, number: int = 1, *, besides: int = 0) -> list[int]:
        """Waits until so many workers are idle; their pids. `besides` is one that was killed and may still be shown."""

        def probe() -> list[int]:
            found = [pid for pid in self.workers(WorkerState.IDLE) if pid != besides]
            return found if len(found) >= number else []

        return eventually(probe, seen=lambda: (self.states(), self.log[-2000:]))

    def worker_in(self, state: WorkerState) -> int:
        """Waits for a worker in that state; its pid."""
        return eventually(lambda: self.workers(state), seen=lambda: (self.states(), self.log[-2000:]))[0]

    def states(self) -> dict[int, str]:
        """What every live worker does."""
        return self.read_board(
            lambda board: {
                page.words[Word.PID]: page.state.name for page in board.pages if _is_child(page, self.process.pid)
            }
        )

    @property
    def template(self) -> int:
        """Pid of the template: the child that leads a group and is no worker."""
        return eventually(lambda: next(iter(self._templates()), 0), seen=lambda: self.log)

    def _templates(self) -> list[int]:
        # Workers are forks of the template and bear its arguments; those that lead a group are named in the board.
        workers = set(self.workers())
        children = (pid for pid in proc.children(self.process.pid) if "rrqmp.worker" in proc.command_line(pid))
        return [pid for pid in children if pid not in workers and _leads_group(pid) and is_alive(pid)]

    def left(self) -> list[str]:
        """Processes that carry this supervisor's mark: it, its own, and its handlers'."""
        pids = proc.pids_with_environment(TEST_MARK, self.mark)
        return [f"{pid}: {proc.command_line(pid)}" for pid in pids if is_alive(pid)]


def _is_child(page: Page, parent: int) -> bool:
    pid = page.words[Word.PID]
    return bool(pid) and pid in proc.children(parent) and proc.start_time(pid) == page.words[Word.START_TIME]


def _leads_group(pid: int) -> bool:
    try:
        return os.getpgid(pid) == pid
    except ProcessLookupError:
        return False


def is_alive(pid: int) -> bool:
    """Whether the process is there and no zombie."""
    state = proc.signal_state(pid)
    return state is not None and state.state not in "ZX"


def start_supervisor(
    *,
    url: str,
    queues: Iterable[str],
    node: str,
    runtime_dir: Path,
    log_path: Path,
    mark: str,
    app: str = "acts:engine",
    workers: int = 2,
    new_group: bool = True,
    environment: dict[str, str] | None = None,
    **options: object,
) -> Supervised:
    """Starts `python -m rrqmp.supervisor`; `options` are its long flags with underscores."""
    flags: dict[str, object] = {
        "app": app,
        "app_dir": APPS,
        "redis_url": url,
        "workers": workers,
        "node": node,
        "runtime_dir": runtime_dir,
    } | options
    arguments = [f"--{name.replace('_', '-')}={value}" for name, value in flags.items()]
    arguments += [f"--queue={name}" for name in queues]
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ENVIRONMENT_PREFIX)}
    with log_path.open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "rrqmp.supervisor", *arguments],
            cwd=log_path.parent,
            env=kept | {"PYTHONPATH": str(ROOT), TEST_MARK: mark} | (environment or {}),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            process_group=0 if new_group else None,
        )
    return Supervised(process, node, runtime_dir, log_path, mark)


def kinds(record: ActivityRecord) -> list[AttemptKind]:
    """How the attempts of an activity ended, oldest first."""
    return [attempt.kind for attempt in record.attempts]
