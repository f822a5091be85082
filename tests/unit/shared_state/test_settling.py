"""What the store is asked to do with an attempt that broke."""

from __future__ import annotations

import pytest

from rrqmp.model.activity import ActivityRecord
from rrqmp.model.attempt import AttemptKind, Ending, decode_outcome
from rrqmp.model.retry import RetryPolicy
from rrqmp.model.spec import Spec
from rrqmp.model.status import ActivityStatus
from rrqmp.shared_state.exit_report import BrokenAttempt, ExitReport
from rrqmp.shared_state.settling import retries_used, settle_broken
from rrqmp.store.calls.cycle import Settlement

POLICY = RetryPolicy(max_retries=2, base=1.0, cap=100.0, jitter=0.1)


def settle(
    kind: AttemptKind,
    *,
    attempt: int = 1,
    crashes: int = 0,
    losses: int = 0,
    spread: float = 0.0,
    spec: Spec | None = None,
) -> Settlement:
    broken = BrokenAttempt(
        queue="q", activity_id="i", activity_type="t", token="k", kind=kind, attempt=attempt, run_seconds=1.5,
        cpu_seconds=1.0,
    )  # fmt: skip
    report = ExitReport(
        summary=kind.value, node="name@boot", pid=9, slot=3, inc=4, ended_at=5.0, life_seconds=6.0, cpu_seconds=2.0,
        signal="SIGSEGV", stack="Stack", broken=broken,
    )  # fmt: skip
    record = ActivityRecord(
        activity_id="i", activity_type="t", status=ActivityStatus.RUNNING, priority=None, spec=spec or Spec(),
        payload=b"", attempt=attempt, crashes=crashes, losses=losses,
    )  # fmt: skip
    return settle_broken(report, record, POLICY, spread)


@pytest.mark.parametrize("kind", [AttemptKind.TIMED_OUT, AttemptKind.OUT_OF_MEMORY])
def test_timeout_and_memory_kill_are_retried_under_the_policy(kind: AttemptKind) -> None:
    first, second, last = (settle(kind, attempt=attempt) for attempt in (1, 2, 3))
    assert (first.ending, first.delay_us) == (Ending.RETRY, 2_000_000)
    assert (second.ending, second.delay_us) == (Ending.RETRY, 4_000_000)
    assert (last.ending, last.delay_us) == (Ending.DEAD, 0)


def test_crashes_and_losses_use_up_no_retries() -> None:
    assert retries_used(5, 2, 2) == 0
    assert settle(AttemptKind.TIMED_OUT, attempt=5, crashes=2, losses=2).ending is Ending.RETRY


def test_crash_is_left_to_the_script_with_the_delay_of_a_later_one() -> None:
    assert settle(AttemptKind.CRASHED).ending is Ending.CRASH
    assert settle(AttemptKind.CRASHED, attempt=2, crashes=1).delay_us == 2_000_000
    assert settle(AttemptKind.CRASHED, attempt=3, crashes=2).delay_us == 4_000_000


def test_cancelled_one_is_cancelled() -> None:
    assert settle(AttemptKind.CANCELLED).ending is Ending.CANCELLED


def test_submitters_own_number_of_retries_counts() -> None:
    assert settle(AttemptKind.TIMED_OUT, spec=Spec(max_retries=0)).ending is Ending.DEAD


def test_spread_stays_inside_the_jitter() -> None:
    assert settle(AttemptKind.TIMED_OUT, spread=1.0).delay_us == 2_200_000
    assert settle(AttemptKind.TIMED_OUT, spread=-1.0).delay_us == 1_800_000


def test_kept_attempt_names_the_node_without_its_boot() -> None:
    attempt, result = decode_outcome(settle(AttemptKind.CRASHED).body)
    assert (attempt.node, attempt.slot, attempt.pid, attempt.signal) == ("name", 3, 9, "SIGSEGV")
    assert (attempt.stack, attempt.run_seconds, result) == ("Stack", 1.5, b"")


def test_result_ttl_of_the_submitter_is_passed_on() -> None:
    assert settle(AttemptKind.CRASHED, spec=Spec(result_ttl=90)).result_ttl_ms == 90_000
    assert settle(AttemptKind.CRASHED).result_ttl_ms == 0
