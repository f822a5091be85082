"""Whom a death is charged to, over every state and every order."""

from __future__ import annotations

import itertools

import pytest

from rrqmp.model.attempt import AttemptKind
from rrqmp.shared_state.board import KillReason, WorkerState
from rrqmp.supervisor.judgement import Charge, Record, judge

_ORDERED_KINDS = {
    KillReason.TIMED_OUT: AttemptKind.TIMED_OUT,
    KillReason.CANCELLED: AttemptKind.CANCELLED,
    KillReason.OUT_OF_MEMORY: AttemptKind.OUT_OF_MEMORY,
}
_UNCHARGED = (KillReason.RELEASED, KillReason.FENCED)
S = WorkerState


def record(state: WorkerState, *, busy: bool, condemned: int = 0, reason: KillReason = KillReason.NONE) -> Record:
    return Record(state=state, seq=7, ended=6 if busy else 7, condemned=condemned, reason=reason)


@pytest.mark.parametrize("state", [S.UNUSED, S.STARTING, S.RECOVERING, S.IDLE, S.CLAIMING, S.LEAVING])
def test_death_between_activities_charges_nobody(state: WorkerState) -> None:
    assert judge(record(state, busy=False), memory_kill=False) is None


@pytest.mark.parametrize("state", list(WorkerState))
def test_process_that_never_began_anything_charges_nobody(state: WorkerState) -> None:
    assert judge(Record(state, 0, 0, 0, KillReason.NONE), memory_kill=True) is None


@pytest.mark.parametrize(("reason", "kind"), _ORDERED_KINDS.items())
def test_ordered_death_of_a_running_one_has_the_orders_kind(reason: KillReason, kind: AttemptKind) -> None:
    assert judge(record(S.RUNNING, busy=True, condemned=7, reason=reason), memory_kill=False) == Charge(kind)


@pytest.mark.parametrize(("reason", "kind"), _ORDERED_KINDS.items())
def test_parked_one_that_was_killed_is_charged_as_ordered(reason: KillReason, kind: AttemptKind) -> None:
    assert judge(record(S.RUNNING, busy=False, condemned=7, reason=reason), memory_kill=False) == Charge(kind)


@pytest.mark.parametrize("reason", _ORDERED_KINDS)
def test_order_for_an_earlier_activity_says_nothing_of_a_later_death(reason: KillReason) -> None:
    found = judge(record(S.RUNNING, busy=True, condemned=6, reason=reason), memory_kill=False)
    assert found == Charge(AttemptKind.CRASHED)


def test_unordered_death_of_a_running_one_is_a_crash() -> None:
    assert judge(record(S.RUNNING, busy=True), memory_kill=False) == Charge(AttemptKind.CRASHED)


def test_kernels_kill_for_memory_is_out_of_memory() -> None:
    assert judge(record(S.RUNNING, busy=True), memory_kill=True) == Charge(AttemptKind.OUT_OF_MEMORY)


@pytest.mark.parametrize("state", [S.RUNNING, S.SETTLING])
def test_death_after_the_return_is_a_crash_that_says_so(state: WorkerState) -> None:
    # Else a result that kills its worker would go back uncounted, and round for ever.
    assert judge(record(state, busy=False), memory_kill=False) == Charge(AttemptKind.CRASHED, after_return=True)


@pytest.mark.parametrize(
    ("reason", "state", "busy", "condemned"),
    list(itertools.product(_UNCHARGED, WorkerState, (True, False), (0, 6, 7))),
)
def test_stop_and_fence_charge_nobody_whatever_is_running(
    reason: KillReason, state: WorkerState, busy: bool, condemned: int
) -> None:
    # The order is for the process: it may have begun its next activity since.
    found = judge(record(state, busy=busy, condemned=condemned, reason=reason), memory_kill=True)
    assert found is None


@pytest.mark.parametrize("state", [S.RECOVERING, S.STARTING, S.SETTING_UP, S.LEAVING])
@pytest.mark.parametrize("reason", list(KillReason))
def test_death_in_user_code_around_activities_charges_nobody(reason: KillReason, state: WorkerState) -> None:
    assert judge(record(state, busy=True, condemned=7, reason=reason), memory_kill=False) is None
