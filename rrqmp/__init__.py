"""rrqmp: CPU-bound activities out of Redis, in worker processes that a supervisor can kill."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from rrqmp.version import __version__ as __version__

if TYPE_CHECKING:
    from rrqmp.client.batch import Batch as Batch
    from rrqmp.client.batch import as_completed as as_completed
    from rrqmp.client.batch import wait as wait
    from rrqmp.client.builder import ActivityBuilder as ActivityBuilder
    from rrqmp.client.builder import PreparedActivity as PreparedActivity
    from rrqmp.client.executor import ActivityExecutor as ActivityExecutor
    from rrqmp.client.future import ActivityFuture as ActivityFuture
    from rrqmp.client.queue import ActivityQueue as ActivityQueue
    from rrqmp.client.redis_config import RedisConfig as RedisConfig
    from rrqmp.engine.worker_engine import WorkerEngine as WorkerEngine
    from rrqmp.errors import ActivityCancelled as ActivityCancelled
    from rrqmp.errors import ActivityCrashed as ActivityCrashed
    from rrqmp.errors import ActivityDiscarded as ActivityDiscarded
    from rrqmp.errors import ActivityError as ActivityError
    from rrqmp.errors import ActivityExpired as ActivityExpired
    from rrqmp.errors import ActivityFailed as ActivityFailed
    from rrqmp.errors import ActivityNotFound as ActivityNotFound
    from rrqmp.errors import ActivityOutOfMemory as ActivityOutOfMemory
    from rrqmp.errors import ActivityTimedOut as ActivityTimedOut
    from rrqmp.errors import ActivityUnsuccessful as ActivityUnsuccessful
    from rrqmp.errors import AlreadyRunning as AlreadyRunning
    from rrqmp.errors import BatchSubmissionError as BatchSubmissionError
    from rrqmp.errors import ConfigurationError as ConfigurationError
    from rrqmp.errors import DuplicateActivity as DuplicateActivity
    from rrqmp.errors import IdempotencyConflict as IdempotencyConflict
    from rrqmp.errors import InvalidPayload as InvalidPayload
    from rrqmp.errors import NonRetry as NonRetry
    from rrqmp.errors import PayloadTooLarge as PayloadTooLarge
    from rrqmp.errors import QueueFull as QueueFull
    from rrqmp.errors import Release as Release
    from rrqmp.errors import ResultError as ResultError
    from rrqmp.errors import ResultExpired as ResultExpired
    from rrqmp.errors import ResultTimeout as ResultTimeout
    from rrqmp.errors import Retry as Retry
    from rrqmp.errors import RetryableError as RetryableError
    from rrqmp.errors import SignatureRefused as SignatureRefused
    from rrqmp.errors import SoftTimeout as SoftTimeout
    from rrqmp.errors import StaleAttempt as StaleAttempt
    from rrqmp.errors import StoreError as StoreError
    from rrqmp.errors import StoreUnavailable as StoreUnavailable
    from rrqmp.errors import SubmissionError as SubmissionError
    from rrqmp.errors import UnsupportedServer as UnsupportedServer
    from rrqmp.errors import WorkerError as WorkerError
    from rrqmp.handling.activity import Activity as Activity
    from rrqmp.handling.context import ActivityContext as ActivityContext
    from rrqmp.handling.handler import ActivityHandler as ActivityHandler
    from rrqmp.handling.registry import Registry as Registry
    from rrqmp.handling.worker_facts import WorkerInfo as WorkerInfo
    from rrqmp.model.activity import ActivityRecord as ActivityRecord
    from rrqmp.model.activity_type import ActivityType as ActivityType
    from rrqmp.model.attempt import Attempt as Attempt
    from rrqmp.model.attempt import AttemptKind as AttemptKind
    from rrqmp.model.gates import QueueGates as QueueGates
    from rrqmp.model.node import NodeDescription as NodeDescription
    from rrqmp.model.node import NodeView as NodeView
    from rrqmp.model.node import SlotDescription as SlotDescription
    from rrqmp.model.node import SlotState as SlotState
    from rrqmp.model.options import ActivityOption as ActivityOption
    from rrqmp.model.options import OnDuplicate as OnDuplicate
    from rrqmp.model.priority import ActivityPriority as ActivityPriority
    from rrqmp.model.progress import Progress as Progress
    from rrqmp.model.retry import UNLIMITED as UNLIMITED
    from rrqmp.model.retry import RetryPolicy as RetryPolicy
    from rrqmp.model.stats import QueueStats as QueueStats
    from rrqmp.model.status import ActivityStatus as ActivityStatus
    from rrqmp.model.summary import ActivityPage as ActivityPage
    from rrqmp.model.summary import ActivitySummary as ActivitySummary
    from rrqmp.pool.breaking import PoolBroken as PoolBroken
    from rrqmp.pool.executor import PoolExecutor as PoolExecutor
    from rrqmp.telemetry.opentelemetry_metrics import OpenTelemetryMetrics as OpenTelemetryMetrics
    from rrqmp.telemetry.sink import LoggingMetrics as LoggingMetrics
    from rrqmp.telemetry.sink import MetricsSink as MetricsSink
    from rrqmp.telemetry.sink import NoopMetrics as NoopMetrics

# Each name is imported when it is first asked for: a producer pays for no engine, a handler's module for no client.
_HOMES = {
    "client.batch": ("Batch", "as_completed", "wait"),
    "client.builder": ("ActivityBuilder", "PreparedActivity"),
    "client.executor": ("ActivityExecutor",),
    "client.future": ("ActivityFuture",),
    "client.queue": ("ActivityQueue",),
    "client.redis_config": ("RedisConfig",),
    "engine.worker_engine": ("WorkerEngine",),
    "errors": (
        "ActivityCancelled", "ActivityCrashed", "ActivityDiscarded", "ActivityError", "ActivityExpired",
        "ActivityFailed", "ActivityNotFound", "ActivityOutOfMemory", "ActivityTimedOut", "ActivityUnsuccessful",
        "AlreadyRunning", "BatchSubmissionError", "ConfigurationError", "DuplicateActivity", "IdempotencyConflict",
        "InvalidPayload", "NonRetry", "PayloadTooLarge", "QueueFull", "Release", "ResultError", "ResultExpired",
        "ResultTimeout", "Retry", "RetryableError", "SignatureRefused", "SoftTimeout", "StaleAttempt", "StoreError",
        "StoreUnavailable", "SubmissionError", "UnsupportedServer", "WorkerError",
    ),
    "handling.activity": ("Activity",),
    "handling.context": ("ActivityContext",),
    "handling.handler": ("ActivityHandler",),
    "handling.registry": ("Registry",),
    "handling.worker_facts": ("WorkerInfo",),
    "model.activity": ("ActivityRecord",),
    "model.activity_type": ("ActivityType",),
    "model.attempt": ("Attempt", "AttemptKind"),
    "model.gates": ("QueueGates",),
    "model.node": ("NodeDescription", "NodeView", "SlotDescription", "SlotState"),
    "model.options": ("ActivityOption", "OnDuplicate"),
    "model.priority": ("ActivityPriority",),
    "model.progress": ("Progress",),
    "model.retry": ("UNLIMITED", "RetryPolicy"),
    "model.stats": ("QueueStats",),
    "model.status": ("ActivityStatus",),
    "model.summary": ("ActivityPage", "ActivitySummary"),
    "pool.breaking": ("PoolBroken",),
    "pool.executor": ("PoolExecutor",),
    "telemetry.opentelemetry_metrics": ("OpenTelemetryMetrics",),
    "telemetry.sink": ("LoggingMetrics", "MetricsSink", "NoopMetrics"),
}  # fmt: skip
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    home = _HOME_OF.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(f"{__name__}.{home}"), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME_OF})


if not TYPE_CHECKING:
    # Type checkers read the imports above.
    __all__ = ["__version__", *_HOME_OF]  # noqa: PLE0604 - the table holds strings only
