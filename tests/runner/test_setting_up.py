"""`setup` of handlers in a runner: before the first job, so that no job's deadline is spent on it."""

from pathlib import Path

import pytest

from tests.runner.conftest import StartRunner
from tests.runner.harness import runner_command


def test_setup_has_its_own_time_before_the_first_job(start_runner: StartRunner, tmp_path: Path) -> None:
    (tmp_path / "hung").touch()
    runner = start_runner(runner_command("acts_of_setup:registry", "--workers", "1"), HUNG=str(tmp_path / "hung"))
    wire = runner.connect()
    # Longer than this lasts its setup.
    assert wire.ask("slow", seconds=0.5)["result"] == "ready"
    runner.logged("setup of second failed; its first job here tries again, inside its own deadline: OSError: not yet")
    assert wire.ask("second")["result"] == "try 2"


@pytest.mark.once
def test_setup_that_hangs_is_killed_and_its_job_tries_again(start_runner: StartRunner, tmp_path: Path) -> None:
    runner = start_runner(runner_command("acts_of_setup:registry", "--workers", "1"), HUNG=str(tmp_path / "hung"))
    runner.logged("setup of hanging has killed its worker")
    wire = runner.connect()
    assert wire.ask("slow")["result"] == "ready"
    assert wire.ask("hanging")["result"] == "came through"
