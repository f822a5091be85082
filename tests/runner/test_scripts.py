"""`run_tcp` from a plain script that an orchestrator starts as its `cmd`."""

import signal
import sys
import textwrap
from pathlib import Path

import pytest

from tests.processes.harness import eventually
from tests.runner.conftest import StartRunner
from tests.runner.harness import free_port, request

GLOBAL = """
    import os
    from rrqmp.runner import Registry, find_tcp_socket, parse_tcp_socket, run_tcp

    registry = Registry()

    @registry.register
    def greet(request):
        return request.success({"message": f"Hello, {request.params['name']}!", "pid": os.getpid()})

    if __name__ == "__main__":
        run_tcp(registry, parse_tcp_socket(find_tcp_socket()), workers=1)
        print("ended well", flush=True)
"""
# As a program of the crate is written, all of it inside `main`.
LOCAL = """
    import os, re
    from rrqmp.runner import Registry, RunnerRuntime

    def main():
        runtime = RunnerRuntime()
        with runtime.enter():
            pass
        registry = Registry()
        greeting = "Hello"

        def greet(request):
            return {"message": f"{greeting}, {request.params['name']}!", "pid": os.getpid()}

        def stuck(request):
            re.match(r"(a+)+$", "a" * 64 + "b")

        registry.register("greet", greet)
        registry.register("stuck", stuck)
        runtime.run_tcp(registry)
        print("ended well", flush=True)

    if __name__ == "__main__":
        main()
"""


@pytest.mark.parametrize("text", [GLOBAL, LOCAL], ids=["global", "local"])
def test_script_serves_and_ends_with_the_group(start_runner: StartRunner, tmp_path: Path, text: str) -> None:
    (tmp_path / "script.py").write_text(textwrap.dedent(text))
    runner = start_runner([sys.executable, "script.py"])
    answer = runner.connect().ask("greet", {"name": "Ada"})
    assert answer["result"]["message"] == "Hello, Ada!"
    assert answer["result"]["pid"] != runner.process.pid
    assert runner.stop() < 2
    runner.logged("ended well")


def test_script_that_is_killed_takes_all_its_processes_along(start_runner: StartRunner, tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(textwrap.dedent(LOCAL))
    runner = start_runner([sys.executable, "script.py"])
    runner.connect().send(request("stuck"))
    runner.process.send_signal(signal.SIGKILL)
    runner.process.wait(5)
    eventually(lambda: not runner.left(), patience=3, seen=runner.left)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("run_tcp(registry)", "no socket address: give --tcp-socket"),
        ("run_tcp(registry, '0.0.0.0:1')", "0.0.0.0 is not on this host alone"),
        ("run_tcp(Registry(), '127.0.0.1:1')", "this registry has no functions"),
        ("run_tcp(5, '127.0.0.1:1')", "5 is no registry"),
    ],
)
def test_wrong_call_is_a_configuration_error(
    tmp_path: Path, line: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from rrqmp.errors import ConfigurationError
    from rrqmp.runner import Registry, run_tcp

    monkeypatch.delenv("RRQ_RUNNER_TCP_SOCKET", raising=False)
    monkeypatch.setattr(sys, "argv", ["script"])
    registry = Registry()
    registry.register("f", lambda request: 1)
    with pytest.raises(ConfigurationError, match=words):
        eval(line, {"run_tcp": run_tcp, "Registry": Registry, "registry": registry})


def test_call_without_its_guard_is_told_of_it(start_runner: StartRunner, tmp_path: Path) -> None:
    text = textwrap.dedent(GLOBAL).replace('if __name__ == "__main__":', "if True:")
    (tmp_path / "script.py").write_text(text)
    runner = start_runner([sys.executable, "script.py"], wait=False)
    assert runner.process.wait(15) != 0
    assert "put the call under `if __name__" in runner.log


def test_command_of_rrqmp_is_the_same_door(start_runner: StartRunner) -> None:
    command = [sys.executable, "-m", "rrqmp", "runner", "--app", "acts_of_runner:registry", "--workers", "1"]
    assert start_runner(command).connect().ask("echo", {"n": free_port()})["status"] == "success"
