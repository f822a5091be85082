"""Hooks around a worker's life: what may be one, and what it is called with."""

from __future__ import annotations

from typing import Any

import pytest

from rrqmp.engine.worker_engine import WorkerEngine
from rrqmp.errors import ConfigurationError
from rrqmp.handling.hooks import call_stop_hooks, make_hook
from rrqmp.handling.worker_facts import WorkerInfo

WORKER = WorkerInfo("n", 3, 1, ("q",))


def test_hook_takes_the_worker_or_nothing() -> None:
    seen: list[Any] = []
    make_hook(seen.append, "on_worker_start")(WORKER)
    make_hook(lambda: seen.append("bare"), "on_worker_start")(WORKER)
    make_hook(lambda *, path="x": seen.append(path), "on_worker_start")(WORKER)
    assert seen == [WORKER, "bare", "x"]


async def later(worker: WorkerInfo) -> None: ...


@pytest.mark.parametrize(
    ("hook", "message"),
    [
        (3, "on_worker_start is 3: give a function"),
        (later, "is async: no loop runs there"),
        (lambda one, two: None, r"takes \(one, two\): write \(\) or \(worker\)"),
    ],
)
def test_what_cannot_be_called_is_refused_where_it_is_given(hook: Any, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        WorkerEngine().on_worker_start(hook)


def test_engine_takes_hooks_by_decorator_keyword_and_builder() -> None:
    engine = WorkerEngine(on_worker_start=lambda: None)

    @engine.on_worker_start(timeout=3)
    def load(worker: WorkerInfo) -> None: ...

    @engine.on_worker_stop
    def flush() -> None: ...

    assert [hook.timeout for hook in engine.registry.on_worker_start] == [120, 3]
    assert len(engine.registry.on_worker_stop) == 1
    built = WorkerEngine.builder().on_worker_start(load).on_worker_stop(flush).build()
    assert [hook.function for hook in built.registry.on_worker_start] == [load]
    assert [hook.function for hook in built.registry.on_worker_stop] == [flush]
    with pytest.raises(ConfigurationError, match="the timeout of on_worker_start is 0 s"):
        engine.on_worker_start(timeout=0)(load)


def test_stop_hook_that_raises_stops_no_other(caplog: pytest.LogCaptureFixture) -> None:
    seen: list[Any] = []

    def fails() -> None:
        raise SystemExit(3)

    hooks = [make_hook(one, "on_worker_stop") for one in (fails, lambda: seen.append(1))]
    call_stop_hooks(hooks, WORKER)
    assert seen == [1]
    assert "fails failed" in caplog.text
