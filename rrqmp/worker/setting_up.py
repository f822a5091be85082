"""`setup` of a handler before its type's first activity in this process: under its own deadline, at nobody's cost.

A setup that fails must eat no activity and make no hot loop. What was claimed goes back uncounted, and the type is set
aside by this worker, longer after each failure. A setup that kills its process is the supervisor's affair: it counts
those deaths, and tells the successors what to set aside.
"""

from __future__ import annotations

import logging
import os
from typing import Final

from rrqmp.handling.invocation import Invoker
from rrqmp.handling.worker_facts import WorkerInfo
from rrqmp.shared_state.around import setup_pause_seconds
from rrqmp.shared_state.board import ID_BYTES, TYPE_BYTES_MOST, Word, WorkerState
from rrqmp.store.calls.cycle import Claim
from rrqmp.telemetry.vocabulary import Callback
from rrqmp.worker.attempt_metrics import AttemptMetrics
from rrqmp.worker.dumps import Dumps
from rrqmp.worker.queue_source import QueueSource
from rrqmp.worker.record import Record

_NS: Final = 1_000_000_000
_log: Final = logging.getLogger("rrqmp.worker")


class SettingUp:
    """Sets types up as they come, once a process."""

    def __init__(
        self,
        record: Record,
        dumps: Dumps,
        source: QueueSource,
        invoker: Invoker,
        node: str,
        metrics: AttemptMetrics,
    ) -> None:
        self._record = record
        self._dumps = dumps
        self._source = source
        self._invoker = invoker
        self._metrics = metrics
        self._failures: dict[str, int] = {}
        queues = tuple(keys.queue for keys in source.keys)
        self._worker = WorkerInfo(node, source.ident.slot, os.getpid(), queues)

    def ready(self, claim: Claim, position: int, *, more: bool) -> bool:
        """Sets the claim's type up; false where that failed and the type has been set aside."""
        self._record.words[Word.BATCH_POSITION] = position
        return self._set_up(claim.activity_id, claim.activity_type, more=more)

    def for_callback(self, activity_id: str, activity_type: str) -> None:
        """Sets the type up for an `on_dead_letter`, if it has not been."""
        if activity_type in self._invoker.not_set_up:
            self._set_up(activity_id, activity_type, more=False)

    def _set_up(self, activity_id: str, activity_type: str, *, more: bool) -> bool:
        registration = self._invoker.registry.get(activity_type)
        if registration is None:
            return True
        record = self._record
        # So that the supervisor, and whoever looks, can tell which type it is.
        record.page.write_activity(
            activity_id.encode().ljust(ID_BYTES)[:ID_BYTES], activity_type.encode()[:TYPE_BYTES_MOST]
        )
        record.begin_uncharged(WorkerState.SETTING_UP, round(registration.setup_timeout * _NS), more=more)
        failure = self._invoker.set_up(activity_type, self._worker)
        record.end_uncharged()
        self._dumps.mend()
        if failure is None:
            self._failures.pop(activity_type, None)
            return True
        self._metrics.callback_failed(Callback.SETUP)
        times = self._failures[activity_type] = self._failures.get(activity_type, 0) + 1
        seconds = setup_pause_seconds(times)
        _log.error(
            "setup of %s failed, %d times in a row here: no attempt is charged, this worker leaves the type alone for "
            "%g s: %s: %s\n%s",
            activity_type,
            times,
            seconds,
            failure.error,
            failure.message,
            failure.traceback.rstrip(),
        )
        self._source.set_aside(activity_type, seconds)
        return False
