"""The real orchestrator with our runner behind it, and with RRQ's own where the two differ."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, closing
from functools import partial
from pathlib import Path

import pytest

from tests.processes.harness import eventually, is_alive
from tests.runner.harness import free_port, running
from tests.runner.orchestrator import (
    Job,
    Jobs,
    Orchestrator,
    orchestrated,
    rrq_command,
    rrqmp_command,
    start_orchestrator,
    write_config,
)
from tests.servers import embedded_server

# A foreign program, which says nothing about the interpreter.
pytestmark = pytest.mark.once

Orchestrate = Callable[..., AbstractContextManager[Orchestrator]]
_databases = itertools.count(1)


@pytest.fixture(scope="module")
def server_port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """A server that listens at a port: the orchestrator knows no other kind."""
    port = free_port()
    with embedded_server(tmp_path_factory.mktemp("rrq-server"), port=str(port), bind="127.0.0.1"):
        yield port


@pytest.fixture(scope="module")
def shared(server_port: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Orchestrator, Jobs]]:
    """One orchestrator for the tests that leave it as it was."""
    dsn = f"redis://127.0.0.1:{server_port}/0"
    with (
        closing(Jobs(dsn)) as jobs,
        orchestrated(tmp_path_factory.mktemp("rrq"), dsn, rrqmp_command(), runner={"pool_size": 2}) as one,
    ):
        yield one, jobs


@pytest.fixture
def jobs(shared: tuple[Orchestrator, Jobs]) -> Iterator[Jobs]:
    """The producer of the shared orchestrator, whose runner processes must be the same afterwards."""
    one, producer = shared
    producer.enqueue("echo").ended()
    before = one.runners()
    yield producer
    assert one.runners() == before, one.log[-5000:]


@pytest.fixture
def dsn(server_port: int) -> str:
    """A database of the test's own."""
    return f"redis://127.0.0.1:{server_port}/{next(_databases)}"


@pytest.fixture
def own_jobs(dsn: str) -> Iterator[Jobs]:
    """The producer of the test's own database."""
    with closing(Jobs(dsn)) as made:
        yield made


@pytest.fixture
def orchestrate(dsn: str, tmp_path: Path) -> Orchestrate:
    """Starts an orchestrator of the test's own."""
    return partial(orchestrated, tmp_path, dsn)


def test_success_brings_the_result_back(jobs: Jobs) -> None:
    assert jobs.enqueue("echo", {"text": "h\xe9", "n": [1, 2.5]}).result() == {"text": "h\xe9", "n": [1, 2.5]}


def test_two_runners_with_64_in_flight_each_do_a_thousand_jobs(jobs: Jobs) -> None:
    submitted = [jobs.enqueue("echo", {"n": number}) for number in range(1000)]
    assert [job.result()["n"] for job in submitted] == list(range(1000))


def test_failure_is_retried_and_then_dead_with_the_line(jobs: Jobs) -> None:
    fields = jobs.enqueue("raises", {"kind": "value"}, max_retries=2).ended()
    assert (fields["status"], fields["current_retries"]) == ("FAILED", "2")
    assert re.fullmatch(r"ValueError: deliberate \(at acts_of_runner.py:\d+ raises\)", fields["last_error"])


def test_non_retry_is_dead_at_once(jobs: Jobs) -> None:
    fields = jobs.enqueue("raises", {"kind": "non_retry"}, max_retries=5).ended()
    assert (fields["status"], fields["current_retries"]) == ("FAILED", "1")


@pytest.mark.parametrize("delay", [None, 0.2])
def test_retry_runs_again_after_its_delay(jobs: Jobs, delay: float | None) -> None:
    params = {"kind": "retry"} if delay is None else {"kind": "retry", "delay": delay}
    fields = jobs.enqueue("raises", params, max_retries=2).ended()
    assert (fields["status"], fields["current_retries"]) == ("FAILED", "2")
    assert fields["last_error"].startswith("come back")


def test_unknown_function_is_dead_at_once(jobs: Jobs) -> None:
    fields = jobs.enqueue("missing", max_retries=5).ended()
    assert (fields["status"], fields["current_retries"]) == ("FAILED", "1")
    assert fields["last_error"] == "No handler registered for function 'missing'"


def test_crash_fails_its_job_and_says_where(jobs: Jobs) -> None:
    fields = jobs.enqueue("crash", max_retries=2).ended()
    assert (fields["status"], fields["current_retries"]) == ("FAILED", "2")
    assert re.fullmatch(r"crash crashed \(SIGSEGV at acts_of_runner.py:\d+ crash\)", fields["last_error"])


@pytest.mark.parametrize(
    ("what", "words"),
    [("large", "at most 16777216"), ("beyond a double", "401 digits"), ("deep", "more than 100 deep")],
)
def test_result_that_cannot_be_sent_fails_its_job_alone(jobs: Jobs, what: str, words: str) -> None:
    fields = jobs.enqueue("unsendable", {"what": what}, max_retries=1).ended()
    assert fields["status"] == "FAILED"
    assert words in fields["last_error"]


def test_result_at_the_edge_of_what_the_orchestrator_reads_comes_through(jobs: Jobs) -> None:
    assert jobs.enqueue("at_the_edge", max_retries=1).result()["digits"] == 1e308


def test_ten_timeouts_in_c_restart_nothing_and_no_neighbour_notices(orchestrate: Orchestrate, own_jobs: Jobs) -> None:
    with orchestrate(rrqmp_command(workers=12)) as one:
        own_jobs.enqueue("echo").ended()
        [runner] = one.runners()
        stuck, neighbours = ten_stuck_beside_ten(own_jobs)
        for job in stuck:
            fields = job.ended()
            # The orchestrator's own timer would have left other words.
            assert fields["last_error"].startswith("asleep_in_c killed at its deadline"), fields
        records = [job.ended() for job in neighbours]
        assert {(one["status"], one["current_retries"]) for one in records} == {("COMPLETED", "0")}
        assert one.runners() == [runner]


def test_rrqs_own_runner_loses_its_process_and_the_neighbours_to_the_same(
    orchestrate: Orchestrate, own_jobs: Jobs
) -> None:
    """What the page on the runner says of it; should this fail one day, the page has to change."""
    with orchestrate(rrq_command()) as one:
        own_jobs.enqueue("echo").ended()
        [runner] = one.runners()
        stuck, neighbours = ten_stuck_beside_ten(own_jobs)
        assert {job.ended()["status"] for job in stuck + neighbours} == {"FAILED"}
        eventually(lambda: not is_alive(runner), seen=lambda: one.log[-3000:])


def ten_stuck_beside_ten(jobs: Jobs) -> tuple[list[Job], list[Job]]:
    """Ten jobs that hang in C for longer than they may, and ten that take no time, all on one connection."""
    # Two seconds give the runner a lead of a fifth of one: others may want the processor just then.
    stuck = [jobs.enqueue("asleep_in_c", job_timeout_seconds=2, max_retries=3) for _ in range(10)]
    stuck[0].in_status("ACTIVE")
    return stuck, [jobs.enqueue("echo", job_timeout_seconds=3, max_retries=3) for _ in range(10)]


def test_cancel_of_the_orchestrator_stops_the_handler_and_keeps_the_process(
    orchestrate: Orchestrate, own_jobs: Jobs, tmp_path: Path
) -> None:
    config = {"runner_enable_inflight_cancel_hints": True, "runner": {"response_timeout_seconds": 1.0}}
    with orchestrate(rrqmp_command(workers=3), **config) as one:
        own_jobs.enqueue("echo").ended()
        [runner] = one.runners()
        given_up = own_jobs.enqueue(
            "stuck_in_c", {"note": str(tmp_path / "pid")}, job_timeout_seconds=60, max_retries=1
        )
        eventually((tmp_path / "pid").exists)
        # What shares the connection keeps the orchestrator from killing the process.
        for _ in range(3):
            own_jobs.enqueue("wait_for_file", {"file": str(tmp_path / "gate")}, job_timeout_seconds=60, max_retries=9)
        assert given_up.ended()["status"] == "FAILED"
        pid = int((tmp_path / "pid").read_text())
        eventually(lambda: not is_alive(pid), patience=2, seen=lambda: one.log[-3000:])
        (tmp_path / "gate").touch()
        assert is_alive(runner)


def test_shutdown_in_mid_job_is_quick_and_the_job_runs_again(dsn: str, own_jobs: Jobs, tmp_path: Path) -> None:
    # One after the other they are told to go, and all of them within the same two seconds.
    config = write_config(tmp_path / "rrq.toml", dsn, rrqmp_command(), free_port(), runner={"pool_size": 3})
    first = start_orchestrator(config)
    with ExitStack() as stack:
        stack.callback(first.kill)
        job = own_jobs.enqueue("wait_for_file", {"file": str(tmp_path / "gate"), "note": str(tmp_path / "pid")})
        eventually((tmp_path / "pid").exists, seen=lambda: first.log)
        runners = first.runners()
        pid = int((tmp_path / "pid").read_text())
        # Its grace, and two seconds that it gives to runners; past them jobs would stay locked.
        assert first.stop() < 0.2 + 2.0
        assert not [one for one in (*runners, pid) if is_alive(one)]
        assert job.fields()["status"] == "PENDING", job.fields()
        second = start_orchestrator(write_config(tmp_path / "one.toml", dsn, rrqmp_command(), free_port()))
        stack.callback(second.kill)
        (tmp_path / "gate").touch()
        assert job.result() == "found"
        second.stop()


def test_orchestrator_that_is_killed_can_start_again_on_the_same_port(dsn: str, own_jobs: Jobs, tmp_path: Path) -> None:
    config = write_config(tmp_path / "rrq.toml", dsn, rrqmp_command(), free_port())
    with ExitStack() as stack:
        first = start_orchestrator(config)
        stack.callback(first.kill)
        own_jobs.enqueue("stuck_in_c", {"note": str(tmp_path / "pid")})
        eventually((tmp_path / "pid").exists, seen=lambda: first.log)
        [runner], pid = first.runners(), int((tmp_path / "pid").read_text())
        first.kill()
        eventually(lambda: not is_alive(runner) and not is_alive(pid), patience=2)
        second = start_orchestrator(config)
        stack.callback(second.kill)
        assert own_jobs.enqueue("echo", {"n": 1}).result() == {"n": 1}
        assert second.runners() != [runner]
        second.stop()


def test_external_mode_connects_to_a_runner_that_was_started_by_hand(dsn: str, own_jobs: Jobs, tmp_path: Path) -> None:
    with running(rrqmp_command(), tmp_path) as runner:
        runner.wait_ready()
        config = write_config(tmp_path / "rrq.toml", dsn, ["unused"], runner.port)
        one = start_orchestrator(config, "--runner-mode", "external", wait=False)
        try:
            assert own_jobs.enqueue("echo", {"n": 1}).result() == {"n": 1}
            fields = own_jobs.enqueue("asleep_in_c", job_timeout_seconds=1).ended()
            assert fields["last_error"].startswith("asleep_in_c killed at its deadline")
        finally:
            one.kill()
        assert runner.process.poll() is None
