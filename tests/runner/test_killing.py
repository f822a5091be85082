"""What a runner does to handlers that hang, crash or write where they should not, and what neighbours notice of it."""

import os
import re
import textwrap
import threading
import time
from datetime import datetime
from pathlib import Path

import pytest

from tests.processes.harness import eventually
from tests.runner.conftest import StartRunner
from tests.runner.harness import Running, Wire, request, runner_command


@pytest.mark.parametrize("function", ["stuck_in_c", "stuck_and_deaf"])
def test_timeout_is_answered_before_the_deadline_and_the_process_is_dead(
    runner: Running, wire: Wire, tmp_path: Path, function: str
) -> None:
    for seconds in (0.6, 1.2, 2.4):
        sent = request(function, {"note": str(tmp_path / "pid")}, seconds=seconds)
        deadline = datetime.fromisoformat(sent["payload"]["context"]["deadline"]).timestamp()
        wire.send(sent)
        answer = wire.read()
        # Neighbours on the machine may keep the processor from the runner for longer than its lead.
        if early := time.time() < deadline:
            break
    assert early
    assert (answer["status"], answer["error"]["type"]) == ("timeout", "timeout")
    assert answer["error"]["message"].startswith(f"{function} killed at its deadline")
    pid = int((tmp_path / "pid").read_text())
    eventually(lambda: not Path(f"/proc/{pid}").exists(), patience=2)
    eventually(lambda: not [line for line in runner.left() if "sleep 600" in line], patience=2, seen=runner.left)


def test_timeout_says_at_which_line_the_handler_was_stuck(wire: Wire) -> None:
    # Without it where the machine is too busy for a stack before the answer must go.
    messages = [wire.ask("stuck_in_c", seconds=0.5)["error"]["message"] for _ in range(4)]
    assert any(re.search(r"killed at its deadline at acts_of_runner.py:\d+ stuck_in_c", one) for one in messages)


def test_very_short_deadline_is_met_too(wire: Wire) -> None:
    sent = request("stuck_in_c", seconds=0.04)
    wire.send(sent)
    assert wire.read()["status"] == "timeout"


def test_request_that_found_no_idle_worker_is_timed_out_unrun(runner: Running, wire: Wire, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    wire.send(*[request("wait_for_file", {"file": str(gate)}) for _ in range(2)])
    answer_of = request("wait_for_file", {"file": str(gate), "note": str(tmp_path / "ran")}, seconds=0.3)
    wire.send(answer_of)
    answer = wire.read()
    assert (answer["request_id"], answer["status"]) == (answer_of["payload"]["request_id"], "timeout")
    assert "no worker was free before its deadline" in answer["error"]["message"]
    gate.touch()
    assert [wire.read()["result"] for _ in range(2)] == ["found"] * 2
    assert not (tmp_path / "ran").exists()


def test_handlers_own_limit_ends_it_before_the_job_does(wire: Wire) -> None:
    began = time.monotonic()
    assert wire.ask("short", seconds=30)["status"] == "timeout"
    assert time.monotonic() - began < 5


def test_ten_timeouts_in_c_leave_the_neighbours_on_the_connection_alone(runner: Running, wire: Wire) -> None:
    stuck = [request("stuck_in_c", seconds=0.3 + 0.05 * number) for number in range(10)]
    neighbours = [request("echo", {"n": number}, seconds=15) for number in range(40)]
    wire.send(*stuck, *neighbours)
    answers = {answer["request_id"]: answer for answer in (wire.read() for _ in range(50))}
    assert {answers[one["payload"]["request_id"]]["status"] for one in stuck} == {"timeout"}
    assert [answers[one["payload"]["request_id"]]["result"]["n"] for one in neighbours] == list(range(40))


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ("segfault", r"crash crashed \(SIGSEGV at acts_of_runner.py:\d+ crash\)"),
        ("kill", r"crash crashed \(SIGKILL\)"),
        ("exit", r"crash crashed \(exit code 9 at acts_of_runner.py:\d+ crash\)"),
    ],
)
def test_crash_fails_one_job_and_says_how_and_where(wire: Wire, how: str, words: str) -> None:
    answer = wire.ask("crash", {"how": how})
    assert (answer["status"], answer["error"]["type"]) == ("error", "crashed")
    assert re.fullmatch(words, answer["error"]["message"]), answer
    assert wire.ask("echo", {"a": 1})["result"] == {"a": 1}


def test_crashes_by_the_dozen_are_each_answered_once(wire: Wire) -> None:
    sent = [request("crash", {"how": "kill"}) if number % 2 else request("echo") for number in range(24)]
    wire.send(*sent)
    answers = [wire.read() for _ in sent]
    assert {answer["request_id"] for answer in answers} == {one["payload"]["request_id"] for one in sent}
    assert [answer["status"] for answer in answers].count("error") == 12
    assert wire.silent(0.05)


def test_handler_that_writes_into_its_channel_fails_nobody_else(runner: Running, wire: Wire) -> None:
    sent = request("writes_into_descriptors")
    wire.send(sent)
    assert wire.read()["request_id"] == sent["payload"]["request_id"]
    assert [wire.ask("echo", {"n": number})["result"]["n"] for number in range(10)] == list(range(10))


def test_child_that_a_handler_forks_and_lets_return_answers_nothing(wire: Wire) -> None:
    for _ in range(4):
        assert wire.ask("forks_and_returns")["result"] == {"parent": True}
    assert [wire.ask("echo", {"n": number})["result"]["n"] for number in range(4)] == list(range(4))
    assert wire.silent(0.05)


def test_worker_killed_between_jobs_costs_no_job(runner: Running, wire: Wire) -> None:
    for _ in range(6):
        os.kill(wire.ask("describe")["result"]["pid"], 9)
        # Mostly sent before the runner knows of the death.
        assert wire.ask("echo", {"n": 1})["result"] == {"n": 1}


@pytest.mark.once
def test_client_that_reads_nothing_holds_up_nobody_and_fills_no_memory(start_runner: StartRunner) -> None:
    runner = start_runner()
    deaf = runner.connect()
    large = {"x": "y" * (4 * 2**20)}
    sending = threading.Thread(target=deaf.send, args=[request("echo", large, seconds=60) for _ in range(24)])
    sending.start()
    neighbour = runner.connect()
    for _ in range(50):
        assert neighbour.ask("echo", {"n": 1})["result"] == {"n": 1}
    # 96 MiB have been asked for; what is answered and unread is bounded, and so is what waits.
    resident = int(Path(f"/proc/{runner.process.pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    assert resident < 220 * 2**20, resident
    assert sending.is_alive(), "all was read, and has to be kept somewhere"
    assert [len(deaf.read()["result"]["x"]) for _ in range(24)] == [4 * 2**20] * 24
    sending.join()


def test_two_workers_do_the_work_of_two(start_runner: StartRunner) -> None:
    """Both run at once: each waits for what only the other can write."""
    runner = start_runner()
    wire = runner.connect()
    folder = runner.log_path.parent
    first, second = folder / "first", folder / "second"
    wire.send(
        request("wait_for_file", {"file": str(second), "note": str(first)}),
        request("wait_for_file", {"file": str(first), "note": str(second)}),
    )
    assert [wire.read()["result"] for _ in range(2)] == ["found"] * 2


def test_output_of_handlers_is_utf_8_whatever_the_locale(start_runner: StartRunner) -> None:
    runner = start_runner(LC_ALL="C", PYTHONIOENCODING="latin-1", PYTHONUTF8="0", PYTHONCOERCECLOCALE="0")
    assert runner.connect().ask("prints")["result"] == "utf-8"
    eventually(lambda: "printed \xe9 \\udcff" in runner.log_path.read_bytes().decode(), seen=lambda: runner.log)


def test_output_that_its_reader_has_closed_fails_no_handler_that_prints(
    start_runner: StartRunner, tmp_path: Path
) -> None:
    text = """
        import os
        from rrqmp.runner import Registry
        registry = Registry()
        registry.register("prints", lambda request: print("something", flush=True))

        @registry.register
        def closes(request):
            # As an orchestrator does at a byte that is not UTF-8.
            unread, written = os.pipe()
            os.dup2(written, 1)
            os.close(unread)
    """
    (tmp_path / "deaf.py").write_text(textwrap.dedent(text))
    runner = start_runner(runner_command("deaf:registry", "--workers", "1"))
    wire = runner.connect()
    assert [wire.ask(name)["status"] for name in ("prints", "closes", "prints", "prints")] == ["success"] * 4
    runner.logged("standard output of this worker goes nowhere from now on")


def test_cpus_are_shared_with_the_siblings_of_a_pool(start_runner: StartRunner) -> None:
    command = runner_command()
    first, second = start_runner(command), start_runner(command)
    cpus = len(os.sched_getaffinity(0))
    if cpus < 2:
        pytest.skip("one CPU cannot be shared out")
    share = -(-cpus // 2)
    second.logged(f"{cpus} workers, {share} at once")
    assert first.connect().ask("echo")["status"] == "success"
