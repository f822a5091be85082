from typing import Any

import pytest

from rrqmp import ActivityContext, ActivityHandler, NonRetry, Release, Retry, WorkerEngine
from rrqmp.errors import ConfigurationError
from rrqmp.runner import ExecutionOutcome, ExecutionRequest, OutcomeStatus, Registry


def run(registry: Registry, function: str, **params: Any) -> ExecutionOutcome:
    return registry.execute(ExecutionRequest("j", "r", function, params))


def words(outcome: ExecutionOutcome) -> str:
    assert outcome.fault is not None
    return outcome.fault.message


def test_function_is_registered_by_call_by_decorator_and_by_its_own_name() -> None:
    registry = Registry()

    @registry.register
    def first(request: ExecutionRequest) -> ExecutionOutcome | dict[str, int]:
        return request.success(1)

    @registry.register("second")
    async def other(request):  # type: ignore[no-untyped-def]
        return 2

    assert registry.register("third", lambda request: 3)(ExecutionRequest("j", "r", "x")) == 3
    assert [run(registry, name).result for name in ("first", "second", "third")] == [1, 2, 3]
    # What is decorated stays what it was.
    assert first(ExecutionRequest("j", "r", "x")).result == 1
    assert repr(registry) == "<Registry of first, second, third>"


def test_one_handler_serves_queue_and_runner() -> None:
    class Double(ActivityHandler[int, int]):
        def handle(self, payload: int, context: ActivityContext) -> int:
            return payload * 2

    class Sum(ActivityHandler[dict[str, int], int]):
        def handle(self, payload: dict[str, int], context: ActivityContext) -> int:
            return sum(payload.values())

    engine, registry = WorkerEngine(queue_name="q"), Registry()
    engine.register_activity("sum", Sum)

    @engine.activity("biggest")
    def biggest(payload: dict[str, int]) -> int:
        return max(payload.values())

    registry.register("sum", Sum)
    registry.register("ready", Sum())
    registry.register(Double)
    registry.register("biggest", biggest)
    assert run(registry, "sum", a=1, b=2).result == 3
    assert run(registry, "ready", a=1, b=2).result == 3
    assert run(registry, "biggest", a=1, b=2).result == 2
    assert "payload: Expected `int`, got `object`" in words(run(registry, "double", a=1))


def raising(error: BaseException) -> Registry:
    registry = Registry()

    def function(request: ExecutionRequest) -> None:
        raise error

    registry.register("f", function)
    return registry


@pytest.mark.parametrize(
    ("error", "status", "delay", "permanent"),
    [
        (Retry("w"), OutcomeStatus.RETRY, None, False),
        (Retry("w", delay=3), OutcomeStatus.RETRY, 3.0, False),
        (Release("w"), OutcomeStatus.RETRY, None, False),
        (NonRetry("w"), OutcomeStatus.ERROR, None, True),
        (ValueError("w"), OutcomeStatus.ERROR, None, False),
        (TimeoutError("w"), OutcomeStatus.ERROR, None, False),
        (FileNotFoundError("w"), OutcomeStatus.ERROR, None, False),
        (SystemExit("w"), OutcomeStatus.ERROR, None, False),
        (KeyboardInterrupt("w"), OutcomeStatus.ERROR, None, False),
    ],
)
def test_exception_becomes_the_outcome_that_it_means(
    error: BaseException, status: OutcomeStatus, delay: float | None, permanent: bool
) -> None:
    outcome = run(raising(error), "f")
    assert (outcome.status, outcome.retry_after_seconds) == (status, delay)
    assert outcome.fault is not None
    assert outcome.fault.type == ("handler_not_found" if permanent else None)
    assert "w" in outcome.fault.message


def test_unknown_function_is_handler_not_found() -> None:
    outcome = run(Registry(), "missing")
    assert outcome.fault is not None
    assert outcome.fault.type == "handler_not_found"


def two(first: Any, second: Any) -> None: ...


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("f", 5), "5 is no handler"),
        (("f", two), "two is called with the request and nothing else"),
        ((lambda request: 1,), "has no name: register it as register\\('name', function\\)"),
        (("", lambda request: 1), "an empty string cannot be an activity type"),
        ((None, lambda request: 1), "has no name"),
    ],
)
def test_what_cannot_be_a_handler_is_refused_at_once(arguments: tuple[Any, ...], reason: str) -> None:
    with pytest.raises(ConfigurationError, match=reason):
        Registry().register(*arguments)


def test_second_registration_of_a_name_is_refused_with_both_places() -> None:
    registry = Registry()
    registry.register("f", lambda request: 1)
    with pytest.raises(ConfigurationError, match="two handlers for the activity type 'f'.*test_registry.py"):
        registry.register("f", lambda request: 2)


@pytest.mark.parametrize("timeout", [0, -1, "1", float("nan")])
def test_limit_that_is_no_duration_is_refused(timeout: Any) -> None:
    with pytest.raises(ConfigurationError, match="timeout"):
        Registry().register("f", lambda request: 1, timeout=timeout)


def test_setup_runs_before_the_first_job_and_its_failure_is_the_jobs() -> None:
    class Model(ActivityHandler[Any, int]):
        def setup(self, worker: Any) -> None:
            if not worker.pid:
                raise AssertionError
            self.answer = 42

        def handle(self, payload: Any, context: ActivityContext) -> int:
            return self.answer

    class Broken(ActivityHandler[Any, int]):
        def setup(self, worker: Any) -> None:
            raise RuntimeError("no model here")

        def handle(self, payload: Any, context: ActivityContext) -> int:
            return 1

    registry = Registry()
    registry.register(Model)
    registry.register(Broken)
    assert run(registry, "model").result == 42
    outcome = run(registry, "broken")
    assert outcome.status is OutcomeStatus.ERROR
    assert "no model here" in words(outcome)


def test_release_of_a_handler_is_a_retry_with_its_delay() -> None:
    class Later(ActivityHandler[Any, None]):
        def handle(self, payload: Any, context: ActivityContext) -> None:
            raise Release("not yet", delay=5)

    registry = Registry()
    registry.register(Later)
    outcome = run(registry, "later")
    assert (outcome.status, outcome.retry_after_seconds, words(outcome)) == (OutcomeStatus.RETRY, 5.0, "not yet")


def test_result_of_a_typed_handler_is_a_value_in_tests_too() -> None:
    class Total(ActivityHandler[dict[str, int], int]):
        def handle(self, payload: dict[str, int], context: ActivityContext) -> int:
            return sum(payload.values())

    registry = Registry()
    registry.register("total", Total)
    assert registry.execute(ExecutionRequest("j", "r", "total", {"a": 1, "b": 2})).result == 3
