"""Waiting longer after each failed start."""

from __future__ import annotations

from rrqmp.supervisor.backoff import Backoff


class ManualClock:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_first_start_waits_for_nothing() -> None:
    assert Backoff(clock=ManualClock()).wait_seconds() == 0


def test_waits_double_up_to_ten_seconds() -> None:
    backoff = Backoff(clock=ManualClock())
    waits = []
    for _ in range(9):
        backoff.failed()
        waits.append(round(backoff.wait_seconds(), 3))
    assert waits == [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 10.0, 10.0]


def test_wait_runs_out_with_the_clock() -> None:
    clock = ManualClock()
    backoff = Backoff(clock=clock)
    backoff.failed()
    clock.now += 0.04
    assert round(backoff.wait_seconds(), 3) == 0.06
    clock.now += 1
    assert backoff.wait_seconds() == 0


def test_success_makes_the_next_failure_the_first() -> None:
    backoff = Backoff(failures_allowed=2, clock=ManualClock())
    backoff.failed()
    backoff.succeeded()
    assert backoff.wait_seconds() == 0
    backoff.failed()
    assert not backoff.is_loop
    backoff.failed()
    assert backoff.is_loop
