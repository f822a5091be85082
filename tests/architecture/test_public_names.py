"""The public names, one list: adding one is a decision, taking one away a breaking change."""

from __future__ import annotations

import ast

from source_tree import PACKAGE, tree

import rrqmp

PUBLIC = [
    "Activity",
    "ActivityBuilder",
    "ActivityCancelled",
    "ActivityContext",
    "ActivityCrashed",
    "ActivityDiscarded",
    "ActivityError",
    "ActivityExecutor",
    "ActivityExpired",
    "ActivityFailed",
    "ActivityFuture",
    "ActivityHandler",
    "ActivityNotFound",
    "ActivityOption",
    "ActivityOutOfMemory",
    "ActivityPage",
    "ActivityPriority",
    "ActivityQueue",
    "ActivityRecord",
    "ActivityStatus",
    "ActivitySummary",
    "ActivityTimedOut",
    "ActivityType",
    "ActivityUnsuccessful",
    "AlreadyRunning",
    "Attempt",
    "AttemptKind",
    "Batch",
    "BatchSubmissionError",
    "ConfigurationError",
    "DuplicateActivity",
    "IdempotencyConflict",
    "InvalidPayload",
    "LoggingMetrics",
    "MetricsSink",
    "NodeDescription",
    "NodeView",
    "NonRetry",
    "NoopMetrics",
    "OnDuplicate",
    "OpenTelemetryMetrics",
    "PayloadTooLarge",
    "PoolBroken",
    "PoolExecutor",
    "PreparedActivity",
    "Progress",
    "QueueFull",
    "QueueGates",
    "QueueStats",
    "RedisConfig",
    "Registry",
    "Release",
    "ResultError",
    "ResultExpired",
    "ResultTimeout",
    "Retry",
    "RetryPolicy",
    "RetryableError",
    "SignatureRefused",
    "SlotDescription",
    "SlotState",
    "SoftTimeout",
    "StaleAttempt",
    "StoreError",
    "StoreUnavailable",
    "SubmissionError",
    "UNLIMITED",
    "UnsupportedServer",
    "WorkerEngine",
    "WorkerError",
    "WorkerInfo",
    "__version__",
    "as_completed",
    "wait",
]


def test_package_offers_exactly_these_names() -> None:
    assert sorted(rrqmp.__all__) == PUBLIC


def test_every_name_is_there_and_has_a_home_of_its_own_name() -> None:
    for name in PUBLIC:
        found = getattr(rrqmp, name)
        assert getattr(found, "__name__", name) in (name, "Any"), name


def test_type_checkers_see_the_same_names() -> None:
    told = {
        alias.asname
        for node in ast.walk(tree(PACKAGE / "__init__.py"))
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
        if alias.asname
    }
    assert sorted(told) == PUBLIC
