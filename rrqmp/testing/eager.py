"""Runs what is submitted at once and in this process, so that a debugger may look on.

The worker's own code claims, runs and settles over the real scripts; only the process is missing, and with it what a
process is for: no deadline kills, and a crash is the test's own. Delays and retries do not wait.
"""

from __future__ import annotations

import contextvars
import os
import secrets
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from dataclasses import replace
from typing import Final

from msgspec import structs

from rrqmp import aio
from rrqmp.client.waiting_room import AnyHandle
from rrqmp.engine.worker_engine import WorkerEngine
from rrqmp.handling.invocation import Invoker
from rrqmp.model.attempt import Ending, decode_outcome
from rrqmp.settings.resolution import SettingsInputs
from rrqmp.settings.table import Settings
from rrqmp.shared_state.board import STRIDE, Word, map_page
from rrqmp.shared_state.messages import WorkerConfig
from rrqmp.store.calls.cycle import Claim, Settlement, SlotIdent
from rrqmp.store.calls.enqueue import Submission
from rrqmp.store.calls.heartbeat import heartbeat
from rrqmp.store.calls.promote import promote
from rrqmp.store.calls.show import show
from rrqmp.store.connection import BlockingConnection
from rrqmp.store.keys import QueueKeys
from rrqmp.store.rules import rules_of
from rrqmp.supervisor.preparation import worker_config
from rrqmp.testing.engine_queue import EngineQueue
from rrqmp.testing.no_process import EagerError, InPlaceSignals, NoDumps, NoSoftLimit
from rrqmp.testing.stage import Setter, Stage, empty, staged, watch_submissions
from rrqmp.worker.attempt_metrics import AttemptMetrics
from rrqmp.worker.failed_for_good import call_back
from rrqmp.worker.queue_source import NOTHING_ENDED, Batch, Ended, QueueSource
from rrqmp.worker.record import Record
from rrqmp.worker.running import Runner

# A handler that submits has its child run inside the call: each level of them is a slot of its own.
# Each takes about ten frames of the thousand that Python allows, and past those every level would be tried again.
_DEEPEST: Final = 50
# Delays do not wait here: what would be tried for ever would be tried for ever at once.
_RUNS_MOST: Final = 1000
# No heartbeat follows the first: it must outlast the longest look of a debugger.
_LEASE_SECONDS: Final = 3600.0
# How many handlers stand around the code that submits.
_depth: ContextVar[int] = ContextVar("rrqmp_eager_depth", default=0)


class EagerQueue(EngineQueue):
    """What was submitted, all of it run by the time that the submitting call returns."""


class Bench:
    """One level of the worker that is no process: it claims and runs one at a time until nothing is ready."""

    def __init__(self, url: str, engine: WorkerEngine, config: WorkerConfig, slot: int, board: int) -> None:
        self._connection = BlockingConnection(url, name="rrqmp-eager")
        self._lock = threading.Lock()
        registry = engine.registry
        ident = SlotIdent(config.node_name, slot, 1)
        self._rules = config.rules
        self._source = QueueSource(self._connection, config, config.rules, registry.types(), ident)
        record = Record(map_page(board, slot + 1), memoryview(bytearray(4096)).cast("Q"), -1)
        record.words[Word.SLOT] = slot + 1
        invoker = Invoker(
            registry,
            engine.get_activity_executor,
            lambda: aio.ActivityExecutor.connect(url, config.queues[0][0], prefix=config.prefix),
            result_limit=config.payload_limit,
        )
        metrics = AttemptMetrics(engine.metrics)
        soft = NoSoftLimit(record.words, invoker)
        signals = self._signals = InPlaceSignals(record.page, self._source, soft)
        self._record = record
        self._runner = Runner(
            record, NoDumps(), self._source, invoker, config, metrics=metrics, soft=soft, signals=signals
        )
        self._invoker = invoker
        self._metrics = metrics

    def work_below(self, depth: int, given_up: Callable[[], object]) -> None:
        """Runs all that is ready, what becomes ready meanwhile too; one thread after the other."""
        _depth.set(depth + 1)
        with self._lock:
            ended = NOTHING_ENDED
            runs: Counter[str] = Counter()
            while (batch := self._claim(ended)) and not given_up():
                claim = batch.claims[0]
                runs[claim.activity_id] += 1
                if runs[claim.activity_id] > _RUNS_MOST:
                    raise EagerError(
                        f"{claim.activity_type} {claim.activity_id} has run {_RUNS_MOST} times and goes back again and "
                        "again: nothing waits in place, so give it fewer retries, or test this with rrqmp_queue"
                    )
                ended = Ended(batch.queue, self._run(batch, claim))

    def close(self) -> None:
        """Tears the handlers down and closes the connection."""
        self._invoker.close()
        self._metrics.close()
        self._signals.close()
        self._connection.close()

    def _claim(self, ended: Ended) -> Batch | None:
        self._source.settle(ended)
        for keys in self._source.keys:
            self._connection.run(promote(keys, self._rules))
        return self._source.claim(NOTHING_ENDED, 1)

    def _run(self, batch: Batch, claim: Claim) -> list[Settlement]:
        if claim.activity_type in self._invoker.not_set_up and not self._runner.setting_up.ready(claim, 0, more=False):
            raise EagerError(f"setup of {claim.activity_type} failed: see the log above")
        # What a checkpoint is saved under.
        self._record.hold(claim.activity_id.encode(), 1, batch.seq, batch.queue)
        settlement, _ = self._runner.run(claim, batch, 0, more=False)
        if settlement.ending in (Ending.RETRY, Ending.DEAD) and _is_interrupt(settlement.body):
            self._source.settle(Ended(batch.queue, [settlement]))
            raise KeyboardInterrupt
        if settlement.ending is not Ending.DEAD:
            return [settlement._replace(delay_us=0)]
        self._source.settle(Ended(batch.queue, [settlement]))
        if self._runner.wants_dead_letter(claim.activity_type):
            call_back(claim.activity_id, batch.queue, self._runner)
        return []


class InPlace:
    """Runs the engine's handlers whenever something has been submitted."""

    def __init__(self, url: str, engine: WorkerEngine) -> None:
        self._url = url
        self._engine = engine
        self._config = _config(url, engine)
        self._board = os.memfd_create("rrqmp-eager", os.MFD_CLOEXEC)
        os.ftruncate(self._board, (_DEEPEST + 1) * STRIDE)
        self._benches: list[Bench] = []
        self._too_deep = ""
        self._lock = threading.Lock()

    def open(self) -> None:
        """Joins the queues, as a node would."""
        with BlockingConnection(self._url, name="rrqmp-eager") as connection:
            for name, _ in self._config.queues:
                beat = heartbeat(
                    QueueKeys(name, self._config.prefix),
                    self._config.rules,
                    self._config.node_name,
                    joining=True,
                    slots=range(_DEEPEST),
                )
                connection.run(beat)

    def work(self) -> None:
        """Runs all that is ready; called again from inside a handler, it runs what that has submitted."""
        depth = _depth.get()
        if depth == 0:
            self._too_deep = ""
        bench = self._bench(depth)
        # In a copy, so that the thread of an asyncio submission inside the handler inherits the depth.
        contextvars.copy_context().run(bench.work_below, depth, lambda: self._too_deep)
        if depth == 0 and self._too_deep:
            raise EagerError(self._too_deep)

    def why_never(self, handle: AnyHandle) -> str:
        """Why nothing here will ever run it; empty where something did, or may in another thread."""
        engine = f"{self._engine!r} that runs in place"
        reason = ""
        if handle.keys.queue not in dict(self._config.queues):
            reason = f"queue {handle.keys.queue!r} is none of those of {engine}"
        elif handle.is_new and handle.activity_type not in self._config.activity_types:
            # The type of what was submitted elsewhere is not known.
            reason = f"{handle.activity_type!r} is no handler of {engine}"
        if not reason:
            return ""
        with BlockingConnection(self._url, name="rrqmp-eager") as connection:
            record = connection.run(show(handle.keys, handle.activity_id))
        return "" if record is None or record.status.has_ended else f"{reason}: this wait would never end"

    def _bench(self, depth: int) -> Bench:
        if depth == _DEEPEST:
            # What has been submitted down there stays where it is: it would begin the next chain.
            self._too_deep = f"activities start each other, {_DEEPEST} deep: test this with rrqmp_queue"
            raise EagerError(self._too_deep)
        with self._lock:
            if depth == len(self._benches):
                self._benches.append(Bench(self._url, self._engine, self._config, depth, self._board))
            return self._benches[depth]

    def close(self) -> None:
        """Gives back connections and memory."""
        for bench in self._benches:
            bench.close()
        os.close(self._board)


@contextmanager
def running_in_place(url: str, engine: WorkerEngine, patch: Setter) -> Iterator[EagerQueue]:
    """What the fixture `rrqmp_eager` does."""
    empty(url)
    queue = EagerQueue(engine)
    watch_submissions(patch, queue.note, _without_delay)
    with ExitStack() as stack:
        worker = InPlace(url, engine)
        stack.callback(worker.close)
        worker.open()
        stack.enter_context(staged(Stage(url, worker.work, worker.why_never), patch))
        yield queue


def _is_interrupt(body: bytes) -> bool:
    """Whether somebody at the keyboard wants the test to end: no failure of the handler's."""
    return decode_outcome(body)[0].error == KeyboardInterrupt.__name__


def _without_delay(item: Submission) -> Submission:
    return item._replace(delay_us=0, at_us=0)


def _config(url: str, engine: WorkerEngine) -> WorkerConfig:
    settings: Settings = SettingsInputs().resolve(engine.settings).settings
    rules = replace(rules_of(settings), lease=_LEASE_SECONDS)
    return structs.replace(
        worker_config(settings, rules, engine.registry.types()),
        redis_url=url,
        weighted=False,
        claim_limit=1,
        node_name=f"eager@{secrets.token_hex(8)}",
    )
