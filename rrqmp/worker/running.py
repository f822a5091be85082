"""One attempt: armed on the board, run under guard, turned into a settlement."""

from __future__ import annotations

import os
import random
import resource
import time
from time import monotonic_ns, process_time_ns
from typing import Final

import msgspec

from rrqmp.handling.context import ActivityContext
from rrqmp.handling.invocation import Invoker
from rrqmp.handling.outcome import Raised, Released, Returned
from rrqmp.model.activity import ActivityRecord
from rrqmp.model.attempt import Attempt, AttemptKind, Ending, encode_outcome
from rrqmp.model.retry import RetryPolicy
from rrqmp.model.spec import Spec, split_spec
from rrqmp.shared_state.board import Word, WorkerState
from rrqmp.shared_state.messages import WorkerConfig
from rrqmp.shared_state.settling import delay_us, result_ttl_ms, retries_used
from rrqmp.store.calls.cycle import Claim, Settlement
from rrqmp.telemetry.vocabulary import Callback
from rrqmp.worker.attempt_metrics import AttemptMetrics
from rrqmp.worker.attempt_tracing import AttemptTracing
from rrqmp.worker.board_signals import ActivitySignals
from rrqmp.worker.dumps import Dumps
from rrqmp.worker.queue_source import Batch, QueueSource
from rrqmp.worker.record import Record
from rrqmp.worker.setting_up import SettingUp
from rrqmp.worker.soft_limit import SoftLimit

# Below this a look at the peak memory would cost more than it tells.
_WORTH_MEASURING_NS: Final = 1_000_000
_NS: Final = 1_000_000_000
_ID_WIDTH: Final = 36
_SOFTLY: Final = ("at its soft limit, which the handler did not catch",)
# What an `on_dead_letter` that heeds no exception gets on top of its time, before its process is killed.
_CALLBACK_GRACE_NS: Final = 1_000_000_000


class Runner:
    """Runs activities of one process, one at a time."""

    def __init__(
        self,
        record: Record,
        dumps: Dumps,
        source: QueueSource,
        invoker: Invoker,
        config: WorkerConfig,
        *,
        metrics: AttemptMetrics,
        tracing: AttemptTracing | None = None,
        soft: SoftLimit | None = None,
        signals: ActivitySignals | None = None,
    ) -> None:
        self.record = record
        self._dumps = dumps
        self.source = source
        self.invoker = invoker
        self.registry = invoker.registry
        self.metrics = metrics
        self.tracing = tracing
        self._pid = os.getpid()
        self._node = config.node_name
        self._callback_ns = round(config.callback_seconds * _NS)
        self._queues = [name for name, _ in config.queues]
        self._soft = soft or SoftLimit(record.words, invoker)
        # Also without soft limits: a cancel comes by the same signal.
        self._soft.arm()
        self._signals = signals or ActivitySignals(record.page, source, self._soft)
        self.setting_up = SettingUp(record, dumps, source, invoker, config.node_name, metrics)

    def run(self, claim: Claim, batch: Batch, position: int, *, more: bool) -> tuple[Settlement, int]:
        """Runs one claimed activity under its deadline; its settlement, and nanoseconds of run time."""
        activity_id, activity_type, stored, attempt = claim[:4]
        registration = self.registry.get(activity_type)
        try:
            spec, payload = split_spec(stored)
        except msgspec.MsgspecError as error:
            return self._corrupt(claim, batch.token, str(error)), 0
        if registration is None:
            return self._corrupt(claim, batch.token, f"no handler here for {activity_type!r}"), 0
        if self.metrics.on:
            self.metrics.claimed(self._queues[batch.queue], activity_type, claim.waited_us)
        timeout_ns = round(registration.timeout_for(spec) * _NS)
        soft = spec.soft_timeout or registration.soft_timeout
        soft_ns = 0
        if soft:
            soft_ns = round(soft * _NS)
            self._soft.arm()
        started = self.record.begin(
            activity_id.encode().ljust(_ID_WIDTH)[:_ID_WIDTH],
            activity_type.encode(),
            attempt,
            timeout_ns,
            position,
            more=more,
            soft_ns=soft_ns,
        )
        # From here to the end all is inside the deadline: the handler's making, the decoding, the run, the encoding.
        span = self.tracing.begin(claim, batch.queue, batch.token, spec) if self.tracing is not None else None
        bound = self.invoker.prepare(activity_type)
        if bound is None:
            raise LookupError(f"{activity_type!r} is registered and has no handler")
        context = self._context(claim, batch.queue, spec, started + timeout_ns)
        outcome = bound.invoke(payload, context) if span is None else span.run(bound, payload, context)
        self.record.end()
        if soft_ns:
            self.record.words[Word.SOFT] = 0
        run_ns = monotonic_ns() - started
        self._dumps.mend()
        if span is not None:
            span.end(outcome, cancelled=self._signals.cancelled())
        if isinstance(outcome, Returned):
            settlement = self._completed(claim, batch, spec, outcome, run_ns)
        elif isinstance(outcome, Released):
            settlement = self._released(claim, batch, outcome, run_ns)
        else:
            settlement = self._failed(claim, batch, spec.policy(registration.retry), spec, outcome, run_ns)
        return settlement, run_ns

    def _context(self, claim: Claim, queue: int, spec: Spec, deadline_ns: int) -> ActivityContext:
        return ActivityContext(
            claim.activity_id,
            claim.activity_type,
            queue_name=self._queues[queue],
            attempt=claim.attempt,
            deadline=deadline_ns,
            signals=self._signals,
            metadata=spec.metadata,
            retry_count=retries_used(claim.attempt, claim.crashes, claim.losses),
        )

    def _completed(self, claim: Claim, batch: Batch, spec: Spec, outcome: Returned, run_ns: int) -> Settlement:
        attempt = self._attempt(AttemptKind.COMPLETED, claim.attempt, run_ns)
        self.metrics.completed(self._queues[batch.queue], claim.activity_type, run_ns)
        return Settlement(
            claim.activity_id,
            batch.token,
            Ending.COMPLETED,
            encode_outcome(attempt, outcome.result),
            0,
            result_ttl_ms(spec),
        )

    def _released(self, claim: Claim, batch: Batch, outcome: Released, run_ns: int) -> Settlement:
        self.metrics.released(self._queues[batch.queue], claim.activity_type, run_ns)
        if outcome.checkpoint:
            # On the way to Redis like a result: no deadline applies. What is refused is refused at the settlement too.
            self.record.settle()
            self._signals.save(claim.activity_id, outcome.checkpoint)
        return Settlement(claim.activity_id, batch.token, Ending.RELEASE, b"", round((outcome.delay or 0) * 1_000_000))

    def _failed(
        self, claim: Claim, batch: Batch, policy: RetryPolicy, spec: Spec, outcome: Raised, run_ns: int
    ) -> Settlement:
        used = retries_used(claim.attempt, claim.crashes, claim.losses)
        again = outcome.retryable and policy.allows(used)
        if not again:
            delay = 0
        elif outcome.delay is None:
            delay = delay_us(policy, used + 1, random.uniform(-1, 1))
        else:
            delay = max(0, round(outcome.delay * 1_000_000))
        kind = AttemptKind.TIMED_OUT if outcome.timed_out else AttemptKind.FAILED
        queue = self._queues[batch.queue]
        if self._signals.cancelled():
            # Whatever it raised, it has ended as cancelled: neither tried again nor a dead letter.
            self.metrics.cancelled(queue, claim.activity_type, run_ns)
        else:
            if outcome.timed_out:
                self.metrics.broken(queue, claim.activity_type, kind, run_ns / _NS)
            else:
                self.metrics.failed(queue, claim.activity_type, run_ns, again=again)
            if not again:
                self.metrics.dead_letter(queue, claim.activity_type)
        attempt = self._attempt(kind, claim.attempt, run_ns, outcome)
        ending = Ending.RETRY if again else Ending.DEAD
        return Settlement(claim.activity_id, batch.token, ending, encode_outcome(attempt), delay, result_ttl_ms(spec))

    def _attempt(self, kind: AttemptKind, number: int, run_ns: int, raised: Raised | None = None) -> Attempt:
        words = self.record.words
        peak = None
        if run_ns > _WORTH_MEASURING_NS:
            most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
            peak = max(0, most - words[Word.BASE_RSS])
        return Attempt(
            kind=kind,
            attempt=number,
            error=raised.error if raised else "",
            message=raised.message if raised else "",
            traceback=raised.traceback if raised else "",
            where=raised.where if raised else "",
            result_repr=raised.result_repr if raised else "",
            retryable=raised.retryable if raised else True,
            run_seconds=run_ns / _NS,
            cpu_seconds=(process_time_ns() - words[Word.CPU_AT_START]) / _NS,
            peak_bytes=peak,
            node=self._node,
            slot=words[Word.SLOT] - 1,
            pid=self._pid,
            ended_at=time.time(),
            notes=_SOFTLY if kind is AttemptKind.TIMED_OUT else (),
        )

    def _corrupt(self, claim: Claim, token: str, reason: str) -> Settlement:
        """What a stranger wrote under our keys: a dead letter that says so, and no worker dies of it."""
        attempt = Attempt(kind=AttemptKind.CORRUPT, attempt=claim.attempt, message=reason, node=self._node)
        return Settlement(claim.activity_id, token, Ending.DEAD, encode_outcome(attempt))

    # The callback of an activity that has failed for good.

    def wants_dead_letter(self, activity_type: str) -> bool:
        """Whether the type's handler has an `on_dead_letter`."""
        # Asked of the registration: to make the handler here could take for ever, and no deadline runs.
        registration = self.registry.get(activity_type)
        return registration is not None and registration.wants_dead_letter

    def dead_letter(self, record: ActivityRecord, queue: int, error: Exception) -> None:
        """Calls it, if the handler has one, under limits of its own; a death meanwhile is charged to nobody.

        At `dead_letter_timeout` it gets a `SoftTimeout`, so that a callback that sleeps costs no process.
        """
        # Called even where that fails: the callback may need nothing of it, and what it raises is logged.
        self.setting_up.for_callback(record.activity_id, record.activity_type)
        self._soft.arm()
        deadline = self.record.begin_uncharged(
            WorkerState.RECOVERING,
            self._callback_ns + min(self._callback_ns, _CALLBACK_GRACE_NS),
            soft_ns=self._callback_ns,
        )
        # A handler that is made here for the first time is made under that deadline too.
        bound = self.invoker.prepare(record.activity_type)
        context = ActivityContext(
            record.activity_id,
            record.activity_type,
            queue_name=self._queues[queue],
            attempt=record.attempt,
            deadline=deadline,
            signals=self._signals,
            metadata=record.spec.metadata,
            retry_count=retries_used(record.attempt, record.crashes, record.losses),
        )
        if bound is not None and not bound.dead_letter(record.payload, context, error):
            self.metrics.callback_failed(Callback.ON_DEAD_LETTER)
        self.record.end_uncharged()
        self._dumps.mend()
