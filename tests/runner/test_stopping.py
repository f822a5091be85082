"""The end of a runner: by the orchestrator's signal, by its death, and the port afterwards."""

import os
import shlex
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.processes.harness import eventually, is_alive
from tests.runner.conftest import StartRunner
from tests.runner.harness import PATIENCE, Running, free_port, request, runner_command, running

# An orchestrator waits for two seconds, whatever its settings say.
GONE_SECONDS = 2.0


@pytest.mark.parametrize("function", ["stuck_in_c", "stuck_and_deaf"])
def test_signal_ends_it_within_two_seconds_with_all_its_children(
    start_runner: StartRunner, tmp_path: Path, function: str
) -> None:
    runner = start_runner()
    wire = runner.connect()
    wire.send(*[request(function, {"note": str(tmp_path / f"pid{number}")}, seconds=600) for number in range(2)])
    for number in range(2):
        eventually((tmp_path / f"pid{number}").exists)
    assert runner.stop() < GONE_SECONDS
    eventually(lambda: not runner.left(), patience=0.5, seen=runner.left)


def test_signal_while_the_application_is_imported_ends_it(start_runner: StartRunner, tmp_path: Path) -> None:
    (tmp_path / "slow.py").write_text("import time\nopen('importing', 'w').close()\ntime.sleep(60)\n")
    runner = start_runner(runner_command("slow:registry"), wait=False)
    eventually((tmp_path / "importing").exists, seen=lambda: runner.log)
    assert runner.stop() < GONE_SECONDS


def test_second_signal_changes_nothing(start_runner: StartRunner) -> None:
    runner = start_runner()
    runner.process.send_signal(signal.SIGINT)
    assert runner.stop() < GONE_SECONDS


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGKILL])
def test_port_is_free_at_once(start_runner: StartRunner, ending: signal.Signals) -> None:
    runner = start_runner()
    assert runner.connect().ask("echo")["status"] == "success"
    runner.process.send_signal(ending)
    runner.process.wait(PATIENCE)
    # As an orchestrator asks before it starts the next one.
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("127.0.0.1", runner.port))


def test_killed_runner_takes_its_workers_along(start_runner: StartRunner, tmp_path: Path) -> None:
    runner = start_runner()
    runner.connect().send(request("stuck_and_deaf", {"note": str(tmp_path / "pid")}, seconds=600))
    eventually((tmp_path / "pid").exists)
    runner.process.kill()
    runner.process.wait(PATIENCE)
    eventually(lambda: not runner.left(), patience=5, seen=runner.left)


@pytest.fixture(params=["straight", "wrapped"])
def orphan(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[tuple[subprocess.Popen[bytes], int, int]]:
    """A parent that starts a runner, and can be killed."""
    port, log = free_port(), tmp_path / "log"
    command = [*runner_command(), "--tcp-socket", f"127.0.0.1:{port}"]
    if request.param == "wrapped":
        # A shell that stays above it, as runners of environments do.
        command = ["sh", "-c", f"{shlex.join(command)}; true"]
    parent = (
        "import subprocess, sys, time\n"
        f"with open({str(log)!r}, 'ab') as log:\n"
        f"    started = subprocess.Popen({command!r}, stderr=log,"
        " process_group=0)\n"
        "print(started.pid, flush=True)\n"
        "time.sleep(60)\n"
    )
    apps, root = Path(__file__).parent / "apps", Path(__file__).resolve().parents[2]
    process = subprocess.Popen(
        [sys.executable, "-c", parent],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": f"{root}{os.pathsep}{apps}"},
    )
    assert process.stdout is not None
    runner_pid = int(process.stdout.readline())
    yield process, port, runner_pid
    process.kill()
    process.wait()
    process.stdout.close()
    # Nobody here can reap it: whoever adopts orphans may take its time for that.
    eventually(lambda: not is_alive(runner_pid), patience=5, seen=log.read_text)


def test_runner_dies_with_its_parent_and_frees_the_port(orphan: tuple[subprocess.Popen[bytes], int, int]) -> None:
    parent, port, runner_pid = orphan

    def connects() -> bool:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            return False
        return True

    eventually(connects)
    parent.kill()
    eventually(lambda: not is_alive(runner_pid), patience=5)
    assert not connects()


@pytest.mark.parametrize("command", [runner_command(), [sys.executable, "script.py"]], ids=["module", "script"])
def test_runner_whose_parent_died_before_it_could_look_ends(tmp_path: Path, command: list[str]) -> None:
    (tmp_path / "script.py").write_text(
        "from acts_of_runner import registry\nfrom rrqmp.runner import run_tcp\n"
        "if __name__ == '__main__':\n    run_tcp(registry)\n"
    )
    command = [*command, "--tcp-socket", f"127.0.0.1:{free_port()}"]
    apps, root = Path(__file__).parent / "apps", Path(__file__).resolve().parents[2]
    ended_at_once = subprocess.run(
        [sys.executable, "-c", f"import subprocess; print(subprocess.Popen({command!r}, stdout=2).pid)"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
        # Of its own: who adopts the runner is of another in any case.
        start_new_session=True,
        env={**os.environ, "PYTHONPATH": f"{root}{os.pathsep}{apps}"},
        timeout=PATIENCE,
    )
    # It holds the other end of the pipe: when that comes back all of it is ending. One that stayed would be waited for.
    eventually(lambda: not is_alive(int(ended_at_once.stdout)), patience=2)


def test_port_that_is_taken_is_told_with_its_address(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        ran = run_to_the_end(tmp_path, "--tcp-socket", address)
    assert ran.returncode == 78
    assert f"cannot listen at {address}" in ran.stderr


@pytest.mark.once
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "no socket address: give --tcp-socket 127.0.0.1:PORT, or set RRQ_RUNNER_TCP_SOCKET"),
        (["--tcp-socket", ""], "it is empty"),
        (["--tcp-socket", "127.0.0.1"], "it has no port"),
        (["--tcp-socket", "127.0.0.1:0"], "port 0"),
        (["--tcp-socket", "0.0.0.0:9000"], "0.0.0.0 is not on this host alone"),
        (["--tcp-socket", "127.0.0.1:nine"], "'nine' is no port"),
        (["--tcp-socket", "example.com:9000"], "'example.com' is no address in numbers"),
    ],
)
def test_wrong_address_is_exit_code_2_and_the_reason(tmp_path: Path, arguments: list[str], words: str) -> None:
    ran = run_to_the_end(tmp_path, *arguments)
    assert ran.returncode == 2
    # A terminal's width breaks the lines.
    assert words in " ".join(ran.stderr.split())


def test_application_that_is_no_registry_is_told_what_to_name(tmp_path: Path) -> None:
    (tmp_path / "wrong.py").write_text("from rrqmp import WorkerEngine\nengine = WorkerEngine(queue_name='q')\n")
    ran = run_to_the_end(tmp_path, "--tcp-socket", f"127.0.0.1:{free_port()}", app="wrong:engine")
    assert ran.returncode == 78
    assert "not a runner's registry: name a rrqmp.runner.Registry" in ran.stderr


def test_socket_option_may_stand_anywhere_and_the_variable_is_the_fallback(tmp_path: Path) -> None:
    port = free_port()
    command = [sys.executable, "-m", "rrqmp.runner", "--tcp-socket", f"127.0.0.1:{port}", "--app", "acts_of_runner"]
    with running([*command, "--workers=1"], tmp_path) as last_wins:
        assert last_wins.wait_ready().connect().ask("echo")["status"] == "success"


def test_variable_of_older_orchestrators_is_heeded(tmp_path: Path) -> None:
    port = free_port()
    environment = {
        **os.environ,
        "PYTHONPATH": f"{Path(__file__).resolve().parents[2]}{os.pathsep}{Path(__file__).parent / 'apps'}",
        "RRQ_RUNNER_TCP_SOCKET": f"localhost:{port}",
    }
    with (tmp_path / "log").open("ab") as log:
        process = subprocess.Popen(runner_command(), env=environment, stderr=log, process_group=0, cwd=tmp_path)
    one = Running(process, port, tmp_path / "log", "")
    try:
        assert one.wait_ready().connect().ask("echo")["status"] == "success"
    finally:
        for wire in one.wires:
            wire.close()
        process.terminate()
        assert process.wait(PATIENCE) == 0


def run_to_the_end(
    folder: Path, *arguments: str, app: str = "acts_of_runner:registry"
) -> subprocess.CompletedProcess[str]:
    """A start that fails."""
    root, apps = Path(__file__).resolve().parents[2], Path(__file__).parent / "apps"
    kept = {name: value for name, value in os.environ.items() if name != "RRQ_RUNNER_TCP_SOCKET"}
    return subprocess.run(
        [*runner_command(app), *arguments],
        cwd=folder,
        env=kept | {"PYTHONPATH": f"{root}{os.pathsep}{apps}"},
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )
