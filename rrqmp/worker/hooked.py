"""The application's own code at both ends of a worker's life, under deadlines that the supervisor keeps."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from typing import Final

from rrqmp.handling.hooks import call_stop_hooks
from rrqmp.handling.registry import Registry
from rrqmp.handling.worker_facts import WorkerInfo
from rrqmp.shared_state.board import Word, WorkerState
from rrqmp.shared_state.messages import WorkerConfig
from rrqmp.telemetry.vocabulary import Callback
from rrqmp.worker.attempt_metrics import AttemptMetrics
from rrqmp.worker.record import Record

EXIT_HOOK_FAILED: Final = 74
# For `teardown` and `on_worker_stop` together.
FAREWELL_NS: Final = 2_000_000_000
_NS: Final = 1_000_000_000
_log: Final = logging.getLogger("rrqmp.worker")


def start_hooks_pass(registry: Registry, record: Record, config: WorkerConfig, metrics: AttemptMetrics) -> bool:
    """Runs `on_worker_start`, each hook under its own deadline; false where one raised: the worker must not claim.

    A spare runs them too, so that what they load is there when it takes a slot.
    """
    for hook in registry.on_worker_start:
        record.begin_uncharged(WorkerState.STARTING, round(hook.timeout * _NS))
        try:
            hook(_info(record, config))
        except BaseException:
            _log.exception("on_worker_start %s failed: this worker claims nothing", hook.origin)
            metrics.callback_failed(Callback.ON_WORKER_START)
            return False
        finally:
            record.end_uncharged()
    return True


def take_leave(
    registry: Registry, record: Record, config: WorkerConfig, tear_down: Callable[[], int], metrics: AttemptMetrics
) -> None:
    """Runs `teardown` of all handlers that were set up, then `on_worker_stop`: two seconds for all of them."""
    record.begin_uncharged(WorkerState.LEAVING, FAREWELL_NS)
    for _ in range(tear_down()):
        metrics.callback_failed(Callback.TEARDOWN)
    for _ in range(call_stop_hooks(registry.on_worker_stop, _info(record, config))):
        metrics.callback_failed(Callback.ON_WORKER_STOP)
    record.end_uncharged()


def _info(record: Record, config: WorkerConfig) -> WorkerInfo:
    slot = int(record.words[Word.SLOT]) - 1
    queues = tuple(name for name, _ in config.queues)
    return WorkerInfo(config.node_name, slot if slot >= 0 else None, os.getpid(), queues)
