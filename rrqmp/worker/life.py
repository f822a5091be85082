"""The life of a worker process: wait for a slot, mend what the predecessor broke, then claim, run and settle."""

from __future__ import annotations

import socket
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from rrqmp.client import blocked_slot
from rrqmp.errors import StoreUnavailable
from rrqmp.handling.application import Application
from rrqmp.handling.invocation import Invoker
from rrqmp.model.attempt import Ending
from rrqmp.shared_state import messages
from rrqmp.shared_state.board import Word, WorkerState
from rrqmp.shared_state.messages import CallBack, Drain, Leaving, Take, WorkerConfig
from rrqmp.store.calls.cycle import MAX_CLAIMS, SlotIdent
from rrqmp.store.connection import BlockingConnection
from rrqmp.worker.attempt_metrics import AttemptMetrics
from rrqmp.worker.attempt_tracing import open_tracing
from rrqmp.worker.dumps import Dumps
from rrqmp.worker.failed_for_good import call_back
from rrqmp.worker.orphans import OrphanWatch
from rrqmp.worker.queue_source import NOTHING_ENDED, Batch, Ended, NotOurs, QueueSource, Woken
from rrqmp.worker.record import Record
from rrqmp.worker.recovery import recover
from rrqmp.worker.running import Runner
from rrqmp.worker.waiting import WaitMark

if TYPE_CHECKING:
    from rrqmp import aio
    from rrqmp.client.executor import ActivityExecutor
    from rrqmp.client.submitter import ConnectOptions

EXIT_CLEAN: Final = 0
# No more than this much work is held by one worker, so that an idle neighbour is never kept from it for longer.
_BATCH_NS: Final = 2_000_000
_FOREVER_NS: Final = 2**62
_ONCE: Final = int(Word.ONCE)
_CALLBACKS: Final = int(Word.CALLBACKS)
_CALLED_BACK: Final = int(Word.CALLED_BACK)


class Pace:
    """How many activities to claim at once: as many of the recent length as fill two milliseconds, one at first."""

    __slots__ = ("_limit", "_typical_ns")

    def __init__(self, limit: int) -> None:
        self._limit = min(MAX_CLAIMS, limit)
        self._typical_ns = float(_FOREVER_NS)

    def saw(self, run_ns: int) -> None:
        """Takes note of one run: longer ones at once, shorter ones by and by; nothing of what could not be run."""
        if run_ns == 0:
            return
        if run_ns > self._typical_ns or self._typical_ns == _FOREVER_NS:
            self._typical_ns = float(run_ns)
        else:
            self._typical_ns += (run_ns - self._typical_ns) / 8

    def want(self) -> int:
        """From 1 to the limit."""
        return max(1, min(self._limit, int(_BATCH_NS / self._typical_ns)))


@dataclass(frozen=True, slots=True)
class Equipment:
    """What a worker process holds from its start to its end."""

    channel: socket.socket
    connection: BlockingConnection
    record: Record
    dumps: Dumps
    metrics: AttemptMetrics


class Life:
    """One worker process after its start."""

    def __init__(
        self,
        equipment: Equipment,
        config: WorkerConfig,
        application: Application,
    ) -> None:
        self._channel = equipment.channel
        self._connection = equipment.connection
        self._record = equipment.record
        self._dumps = equipment.dumps
        self._metrics = equipment.metrics
        # An application of somebody else's making may know nothing of it.
        queues = [name for name, _ in config.queues]
        self._tracing = open_tracing(getattr(application, "tracing", None), queues, config.node_name)
        self._config = config
        self._application = application
        self._pace = Pace(config.claim_limit)
        self._orphans = OrphanWatch()
        self._invoker: Invoker | None = None
        self._asked: messages.Message | None = None

    def run(self) -> int:
        """Lives until it is told to leave, finds its supervisor dead, or may claim no more; the exit status."""
        take, _ = messages.receive(self._channel)
        if not isinstance(take, Take):
            return self._leave("unused")
        served = set(self._config.activity_types)
        types = [kind for kind in self._application.registry.types() if not served or kind in served]
        ident = SlotIdent(take.node, take.slot, take.inc)
        source = QueueSource(self._connection, self._config, self._config.rules, types, ident)
        for kind, seconds in take.aside:
            source.set_aside(kind, seconds)
        self._invoker = invoker = Invoker(
            self._application.registry,
            self._open_executor,
            self._open_async_executor,
            result_limit=self._config.payload_limit,
        )
        blocked_slot.install(WaitMark(self._record, [name for name, _ in self._config.queues]))
        runner = Runner(
            self._record,
            self._dumps,
            source,
            invoker,
            self._config,
            metrics=self._metrics,
            tracing=self._tracing,
        )
        try:
            if take.inc > 1:
                self._record.become(WorkerState.RECOVERING)
                recover(take.report, runner)
                messages.send(self._channel, messages.Settled())
            return self._serve(source, runner)
        except NotOurs as refusal:
            return self._leave(refusal.status.value)

    def tear_down(self) -> int:
        """After `run`: calls `teardown` of all handlers that were set up; how many raised."""
        return 0 if self._invoker is None else self._invoker.tear_down()

    def close_telemetry(self) -> None:
        """At the very end, so that what the last callbacks have done is told too: two seconds each."""
        self._metrics.close()
        if self._tracing is not None:
            self._tracing.close()

    def _serve(self, source: QueueSource, runner: Runner) -> int:
        record = self._record
        draining = record.words
        ended = NOTHING_ENDED
        while not draining[Word.DRAINING]:
            if draining[_CALLBACKS] != draining[_CALLED_BACK]:
                ended = self._settle_first(ended, source)
                self._call_back(runner)
            if ended.settlements:
                record.settle()
            else:
                record.become(WorkerState.CLAIMING)
            batch = source.claim(ended, self._want())
            ended = NOTHING_ENDED
            self._metrics.flush()
            if batch is None:
                if self._orphans.too_many():
                    return self._leave("recycled")
                record.become(WorkerState.IDLE)
                if self._idle(source):
                    return self._leave("drained")
                continue
            ended = self._run_batch(batch, runner)
            if draining[_ONCE]:
                break
        if ended.settlements:
            record.settle()
        source.settle(ended)
        return self._leave("drained")

    def _settle_first(self, ended: Ended, source: QueueSource) -> Ended:
        if ended.settlements:
            self._record.settle()
            source.settle(ended)
            self._metrics.flush()
        return NOTHING_ENDED

    def _want(self) -> int:
        if time.monotonic_ns() < self._record.batches_stopped_until:
            return 1
        return self._pace.want()

    def _claiming(self) -> None:
        self._record.become(WorkerState.CLAIMING)

    def _run_batch(self, batch: Batch, runner: Runner) -> Ended:
        """Runs what was claimed, in order, until it is done, revoked, draining, or has taken its time."""
        record, words = self._record, self._record.words
        claims = batch.claims
        record.hold("".join([claim.activity_id for claim in claims]).encode(), len(claims), batch.seq, batch.queue)
        ended = Ended(batch.queue, [])
        began = time.monotonic_ns()
        last = len(claims) - 1
        not_set_up = runner.invoker.not_set_up
        for position, claim in enumerate(claims):
            if words[Word.DRAINING] or (position and (record.revoked or time.monotonic_ns() - began > _BATCH_NS)):
                break
            if claim.activity_type in not_set_up:
                # What has ended must not wait for a setup: it is settled first.
                if not ended.settlements:
                    runner.setting_up.ready(claim, position, more=position < last)
                # This one and the rest go back, uncounted, by the slot's next statement, which claims them again:
                # during a setup of minutes one may have been cancelled.
                break
            settlement, run_ns = runner.run(claim, batch, position, more=position < last)
            self._pace.saw(run_ns)
            ended.settlements.append(settlement)
            if settlement.ending is Ending.DEAD and runner.wants_dead_letter(claim.activity_type):
                # Settled before the callback: a waiter must not depend on it, and it may hang or die.
                ended = self._settle_first(ended, runner.source)
                call_back(claim.activity_id, batch.queue, runner)
                break
        return ended

    def _open_executor(self) -> ActivityExecutor:
        # Late: a worker whose handlers submit nothing never needs the producer's side.
        from rrqmp.client.executor import ActivityExecutor

        return ActivityExecutor.connect(self._config.redis_url, self._config.queues[0][0], **self._connect_options())

    def _open_async_executor(self) -> aio.ActivityExecutor:
        # Late, as above; and a worker of plain handlers never needs asyncio.
        from rrqmp.aio.executor import ActivityExecutor

        return ActivityExecutor.connect(self._config.redis_url, self._config.queues[0][0], **self._connect_options())

    def _connect_options(self) -> ConnectOptions:
        from rrqmp.client.redis_config import RedisConfig
        from rrqmp.client.submitter import ConnectOptions

        return ConnectOptions(
            # One activity at a time: what stands ready for a burst would be idle in every worker.
            redis_config=RedisConfig(min_idle=0),
            prefix=self._config.prefix,
            payload_limit=self._config.payload_limit,
            priority_aging=self._config.rules.priority_aging,
        )

    def _idle(self, source: QueueSource) -> bool:
        """Sleeps; true where it is to leave."""
        self._orphans.reap()
        try:
            if source.wait(self._channel.fileno(), self._want(), self._claiming) is Woken.WORK:
                return False
        except StoreUnavailable:
            # The next claim reconnects, and waits as long as it takes.
            return False
        message, _ = messages.receive(self._channel)
        if message is None or isinstance(message, Drain):
            # The end of the stream is the supervisor's death; the kernel is about to kill us for it.
            return True
        # The pop is still unanswered, so the connection is of no use for the next call.
        self._connection.close()
        self._asked = message
        return False

    def _call_back(self, runner: Runner) -> None:
        """What the supervisor asks for: an `on_dead_letter` that nobody was there to call."""
        message, self._asked = self._asked, None
        if message is None:
            message, _ = messages.receive(self._channel)
        if isinstance(message, CallBack):
            call_back(message.activity_id, message.queue, runner)
            self._record.words[_CALLED_BACK] += 1

    def _leave(self, reason: str) -> int:
        self._record.become(WorkerState.LEAVING)
        try:
            messages.send(self._channel, Leaving(reason=reason))
        except OSError:
            pass
        self._connection.close()
        return EXIT_CLEAN
