"""A runner shared by the tests that leave it as it was, and runners of one test's own; afterwards nothing is left."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.runner.harness import Running, Wire, runner_command, running

StartRunner = Callable[..., Running]


@pytest.fixture(scope="session")
def shared_runner(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Two workers. Whatever a test does to it, it must serve the next one."""
    command = runner_command("acts_of_runner:registry", "--workers", "2")
    with running(command, tmp_path_factory.mktemp("runner")) as one:
        yield one.wait_ready()


@pytest.fixture
def runner(shared_runner: Running) -> Iterator[Running]:
    """The shared one; it must be the same process after the test as before."""
    assert shared_runner.process.poll() is None, shared_runner.log[-3000:]
    yield shared_runner
    assert shared_runner.process.poll() is None, shared_runner.log[-3000:]


@pytest.fixture
def wire(runner: Running) -> Iterator[Wire]:
    """A connection to the shared runner."""
    with Wire(runner.port) as connected:
        yield connected


@pytest.fixture
def start_runner(tmp_path: Path) -> Iterator[StartRunner]:
    """Starts runners of the test's own."""
    with ExitStack() as stack:

        def start(command: list[str] | None = None, *options: str, wait: bool = True, **environment: str) -> Running:
            chosen = command or runner_command("acts_of_runner:registry", "--workers", "2", *options)
            one = stack.enter_context(running(chosen, tmp_path, **environment))
            return one.wait_ready() if wait else one

        yield start
