"""The template: its death, its failing, and what the application's own faults look like from outside."""

from __future__ import annotations

import itertools
import os
import signal
from pathlib import Path

import pytest

from rrqmp.model.status import ActivityStatus
from tests.processes.conftest import Supervise
from tests.processes.harness import Queue, eventually, is_alive

CONFIGURATION = 78
BOOT_LOOP = 70


def test_workers_finish_when_the_template_is_killed_and_a_new_one_takes_its_place(
    queue: Queue, supervise: Supervise
) -> None:
    node = supervise(workers=2)
    payload = {"notes": str(queue.notes()), "gate": str(queue.gate())}
    held = queue.submit_many("hold", [payload] * 2)
    workers = {queue.noted(one).pid for one in held}
    first = node.template
    os.kill(first, signal.SIGKILL)
    node.logged("a new one is started")
    later = queue.submit("echo", 1)
    queue.gate().touch()
    records = queue.all_ended([*held, later])
    assert [(one.status, one.attempt) for one in records] == [(ActivityStatus.COMPLETED, 1)] * 3
    assert all(map(is_alive, workers))
    # The new one forks: a killed worker is replaced.
    killed = workers.pop()
    os.kill(killed, signal.SIGKILL)
    assert len(node.idle(2, besides=killed)) == 2
    assert node.template != first


def test_worker_that_dies_while_the_template_is_away_is_replaced_by_the_next_one(
    queue: Queue, supervise: Supervise
) -> None:
    node = supervise(workers=1)
    one = queue.submit("hold_first", {"notes": str(queue.notes()), "gate": "/nowhere"})
    worker = queue.noted(one, 1).pid
    os.kill(node.template, signal.SIGKILL)
    os.kill(worker, signal.SIGKILL)
    record = queue.ended(one)
    assert (record.status, record.attempt, record.crashes) == (ActivityStatus.COMPLETED, 2, 1)


def test_third_death_of_the_template_within_a_minute_ends_the_supervisor(queue: Queue, supervise: Supervise) -> None:
    node = supervise(workers=1)
    held = queue.submit("hold", {"notes": str(queue.notes()), "gate": "/nowhere"})
    queue.noted(held)
    for number in range(3):
        os.kill(node.template, signal.SIGKILL)
        if number < 2:
            eventually(lambda number=number: node.log.count("a new one is started") == number + 1)
    assert node.exit_code() == BOOT_LOOP
    assert "the template died 3 times within 60 s" in node.log
    record = queue.show(held)
    assert (record.status, record.attempt) == (ActivityStatus.PENDING, 0), "what ran goes back uncounted"


def test_template_that_cannot_import_a_second_time_leaves_the_workers_at_work(
    queue: Queue, supervise: Supervise, tmp_path: Path
) -> None:
    node = supervise(app="dies_at_second_import:engine", environment={"IMPORTED": str(tmp_path / "imported")})
    node.idle(2)
    os.kill(node.template, signal.SIGKILL)
    assert node.exit_code() == BOOT_LOOP
    assert "RuntimeError: the second import fails" in node.log


@pytest.mark.parametrize(
    ("app", "said"),
    [
        ("broken_import:engine", "RuntimeError: the licence file is missing"),
        ("no_such_module:engine", "there is no module 'no_such_module'"),
        ("no_handlers:engine", "no_handlers:engine has no handlers"),
        ("no_handlers:number", "no_handlers:number is 7, not an engine"),
        ("no_handlers:missing", "no_handlers has no attribute 'missing'"),
        ("leaves_import:engine", "leaves_import ended the process it was imported in"),
    ],
)
def test_fault_of_the_application_ends_the_start_with_its_own_words(supervise: Supervise, app: str, said: str) -> None:
    node = supervise(app=app, wait=False)
    assert node.exit_code() == CONFIGURATION
    assert said in node.log
    assert "rrqmp/supervisor" not in node.log, "our own frames help nobody"
    assert "rrqmp/worker" not in node.log


def test_traceback_of_a_failing_import_is_the_applications_own(supervise: Supervise) -> None:
    node = supervise(app="broken_import:engine", wait=False)
    assert node.exit_code() == CONFIGURATION
    assert 'broken_import.py", line 10, in <module>' in node.log
    assert 'broken_import.py", line 7, in prepare' in node.log


def test_unknown_activity_type_in_the_settings_is_a_fault_that_names_the_known_ones(supervise: Supervise) -> None:
    node = supervise(activity_type="ecko", wait=False)
    assert node.exit_code() == CONFIGURATION
    assert "activity_types names 'ecko'" in node.log
    assert "'echo'" in node.log


@pytest.mark.once
def test_second_supervisor_of_a_name_is_refused_and_the_first_is_not_disturbed(
    queue: Queue, supervise: Supervise
) -> None:
    first = supervise(workers=1)
    second = supervise(workers=1, node=first.node, wait=False)
    assert second.exit_code() == CONFIGURATION
    assert f"a supervisor named '{first.node}' is running (pid {first.process.pid})" in second.log
    assert queue.ended(queue.submit("echo", 1)).status is ActivityStatus.COMPLETED
    assert first.board_file.exists()


@pytest.mark.once
def test_workers_that_never_come_up_end_the_supervisor_with_pauses_in_between(
    supervise: Supervise, tmp_path: Path
) -> None:
    deaths = tmp_path / "deaths"
    node = supervise(app="dies_in_fork:engine", workers=5, wait=False, environment={"DEATHS": str(deaths)})
    assert node.exit_code(patience=30) == BOOT_LOOP
    assert "workers die in the fork" in node.log
    times = [int(line) for line in deaths.read_text().splitlines()]
    assert 10 <= len(times) <= 20, times
    assert max(later - earlier for earlier, later in itertools.pairwise(times)) > 0.5e9
