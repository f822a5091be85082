"""Where a soft limit may be raised: in the handler's own code, and nowhere in ours."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from rrqmp.errors import SoftTimeout
from rrqmp.handling.context import ActivityContext, NoSignals
from rrqmp.handling.invocation import Invoker
from rrqmp.handling.outcome import Outcome, Raised, Returned
from rrqmp.handling.registration import register
from rrqmp.handling.registry import Registry
from rrqmp.kernel.signals import SOFT_LIMIT
from rrqmp.shared_state.board import PAGE_BYTES, Word
from rrqmp.worker.soft_limit import SoftLimit

Words = memoryview


class Bench:
    """One worker's soft limit, with the board in memory and the test in the supervisor's place."""

    def __init__(self) -> None:
        self.words = memoryview(bytearray(PAGE_BYTES)).cast("Q")
        self.soft = SoftLimit(self.words, Invoker(Registry()))

    def due(self) -> None:
        """The limit of the running activity comes: the signal is heard before this returns."""
        self.words[Word.SOFT] = time.monotonic_ns()
        self.words[Word.SOFT_SENT] = self.words[Word.SEQ]
        os.kill(os.getpid(), SOFT_LIMIT)

    def run(self, handler: Callable[..., Any], **options: Any) -> Outcome:
        registry = Registry()
        registry.add(register("job", handler, options))  # type: ignore[arg-type]
        invoker = Invoker(registry)
        self.soft = SoftLimit(self.words, invoker)
        self.soft.arm()
        bound = invoker.prepare("job")
        assert bound is not None
        self.words[Word.SEQ] += 1
        context: ActivityContext[Any] = ActivityContext(
            "id", "job", queue_name="q", attempt=1, deadline=time.monotonic_ns() + 10**9, signals=NoSignals()
        )
        outcome = bound.invoke(b"1", context)
        self.words[Word.ENDED] = self.words[Word.SEQ]
        return outcome


@pytest.fixture
def bench() -> Iterator[Bench]:
    former = signal.getsignal(SOFT_LIMIT)
    yield Bench()
    signal.signal(SOFT_LIMIT, former)


def test_it_is_raised_where_the_handler_stands(bench: Bench) -> None:
    def handler(payload: Any) -> None:
        bench.due()

    outcome = bench.run(handler)
    assert isinstance(outcome, Raised)
    assert outcome.timed_out
    assert outcome.retryable
    assert bench.words[Word.SOFT] == 0


def test_it_comes_once(bench: Bench) -> None:
    def handler(payload: Any) -> int:
        try:
            bench.due()
        except SoftTimeout:
            os.kill(os.getpid(), SOFT_LIMIT)
            return 1
        return 2

    assert bench.run(handler) == Returned(b"1")


def test_it_is_not_raised_for_another_activity(bench: Bench) -> None:
    def handler(payload: Any) -> int:
        bench.words[Word.SOFT] = 1
        bench.words[Word.SOFT_SENT] = bench.words[Word.SEQ] - 1
        os.kill(os.getpid(), SOFT_LIMIT)
        return 1

    assert bench.run(handler) == Returned(b"1")


def test_it_is_not_raised_between_activities(bench: Bench) -> None:
    bench.soft.arm()
    bench.due()
    assert bench.words[Word.SOFT]


def test_code_of_ours_is_not_interrupted_and_the_limit_stays(bench: Bench) -> None:
    class Encoded:
        """Asked for its value by our encoder."""

        shape = ()

        def item(self) -> int:
            bench.due()
            return 3

    outcome = bench.run(lambda payload: [Encoded()])
    assert outcome == Returned(b"[3]")
    assert bench.words[Word.SOFT]


def test_destructor_does_not_swallow_it(bench: Bench) -> None:
    class Dying:
        def __del__(self) -> None:
            bench.due()

    def handler(payload: Any) -> int:
        Dying()
        os.kill(os.getpid(), SOFT_LIMIT)
        return 1

    outcome = bench.run(handler)
    assert isinstance(outcome, Raised)
    assert outcome.timed_out


def test_non_retryable_may_name_it(bench: Bench) -> None:
    outcome = bench.run(lambda payload: bench.due(), non_retryable=(SoftTimeout,))
    assert isinstance(outcome, Raised)
    assert not outcome.retryable


def test_cancel_that_comes_by_the_same_signal_leaves_a_plain_handler_alone(bench: Bench) -> None:
    def handler(payload: Any) -> int:
        bench.words[Word.CANCEL] = bench.words[Word.SEQ]
        os.kill(os.getpid(), SOFT_LIMIT)
        return 1

    assert bench.run(handler) == Returned(b"1")
