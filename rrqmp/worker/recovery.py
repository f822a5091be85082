"""What a successor does before it claims: settle the attempt that its predecessor broke, and give back the rest."""

from __future__ import annotations

import random

from rrqmp.errors import ActivityUnsuccessful
from rrqmp.model.activity import ActivityRecord
from rrqmp.model.retry import RetryPolicy
from rrqmp.model.status import ActivityStatus
from rrqmp.shared_state.around import CALLBACK_DEATHS_MOST
from rrqmp.shared_state.exit_report import BrokenAttempt, ExitReport, decode_report
from rrqmp.shared_state.settling import settle_broken
from rrqmp.store.calls.cycle import Verdict
from rrqmp.store.calls.show import show
from rrqmp.worker.failed_for_good import error_of
from rrqmp.worker.queue_source import Ended, QueueSource
from rrqmp.worker.running import Runner


def recover(encoded_report: bytes, runner: Runner) -> None:
    """Settles the report, if there is one, by the handler's own policy; then whatever else the slot held goes back.

    A repeat by the next successor changes nothing: the token has been used up by then.
    """
    spoken_for = None
    if encoded_report:
        report = decode_report(encoded_report)
        if report.broken is not None:
            spoken_for = _settle(report, report.broken, runner)
    runner.source.give_back_all(but=spoken_for)


def _settle(report: ExitReport, broken: BrokenAttempt, runner: Runner) -> int | None:
    """The queue that it belonged to, whose other claims went back by the same statement; `None` if none was made."""
    source = runner.source
    queue = next((place for place, keys in enumerate(source.keys) if keys.queue == broken.queue), None)
    if queue is None:
        return None
    record = source.connection.run(show(source.keys[queue], broken.activity_id))
    if record is None:
        return None
    settlement = settle_broken(report, record, _policy(broken, runner), random.uniform(-1, 1))
    reply = source.settle(Ended(queue, [settlement]))
    if reply.verdicts[0] is Verdict.STALE:
        return queue
    if reply.verdicts[0] is Verdict.OK:
        runner.metrics.broken(broken.queue, broken.activity_type, broken.kind, broken.run_seconds)
        if runner.tracing is not None:
            runner.tracing.broken(report, broken, record)
    # Before the callback, which may kill this process too.
    runner.metrics.flush()
    _call_back(report, broken, queue, runner, source)
    return queue


def _policy(broken: BrokenAttempt, runner: Runner) -> RetryPolicy:
    # After a reload the type may be gone from this code; the default is then as good a guess as any.
    registration = runner.registry.get(broken.activity_type)
    return registration.retry if registration else RetryPolicy()


def _call_back(report: ExitReport, broken: BrokenAttempt, queue: int, runner: Runner, source: QueueSource) -> None:
    record = source.connection.run(show(source.keys[queue], broken.activity_id))
    # Somebody may have revived it meanwhile; then it has not failed for good.
    if record is None or record.status is not ActivityStatus.DEAD_LETTER:
        return
    if report.deaths == 0:
        runner.metrics.dead_letter(broken.queue, broken.activity_type)
        runner.metrics.flush()
    if report.deaths < CALLBACK_DEATHS_MOST and runner.wants_dead_letter(broken.activity_type):
        runner.dead_letter(record, queue, _error(report, broken, record))


def _error(report: ExitReport, broken: BrokenAttempt, record: ActivityRecord) -> ActivityUnsuccessful:
    poisoned = f"; not retried: {record.reason}" if record.reason else ""
    message = f"{broken.activity_type} {broken.activity_id} {report.describe()}{poisoned}"
    return error_of(broken.kind, message, record)
