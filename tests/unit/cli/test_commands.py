"""The command group: what it offers, what it answers to mistakes, with which exit code."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from rrqmp.cli import commands
from rrqmp.cli.check_command import command as check
from rrqmp.cli.run_command import command as run
from rrqmp.cli.setting_options import settings_inputs
from rrqmp.errors import ActivityNotFound, ConfigurationError, StoreUnavailable, UnsupportedServer
from rrqmp.settings import TABLE
from rrqmp.shared_state.exit_codes import ExitCode
from rrqmp.version import __version__


@pytest.fixture(autouse=True)
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No rrqmp.toml and no variable of the developer's own plays a part."""
    monkeypatch.chdir(tmp_path)
    for setting in TABLE.values():
        monkeypatch.delenv(setting.variable, raising=False)


def code_of(*arguments: str) -> int:
    return commands.exit_code_of(
        lambda: commands.rrqmp.main(args=list(arguments), prog_name="rrqmp", standalone_mode=False)
    )


@pytest.mark.parametrize("name", commands.COMMANDS)
def test_every_command_is_found_and_explains_itself(name: str) -> None:
    shown = CliRunner().invoke(commands.rrqmp, [name, "--help"])
    assert shown.exit_code == 0, shown.output
    assert f"rrqmp {name}" in shown.output


def test_version_is_the_packages(capsys: pytest.CaptureFixture[str]) -> None:
    assert code_of("--version") == ExitCode.STOPPED
    assert __version__ in capsys.readouterr().out


def test_misspelt_option_is_a_usage_error_with_a_suggestion(capsys: pytest.CaptureFixture[str]) -> None:
    assert code_of("run", "--worker", "3") == ExitCode.USAGE
    assert "--workers" in capsys.readouterr().err


def test_misspelt_command_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert code_of("rum") == ExitCode.USAGE
    assert "No such command 'rum'" in capsys.readouterr().err


@pytest.mark.parametrize("name", sorted(TABLE))
def test_every_setting_has_its_flag_in_run(name: str) -> None:
    flags = [flag for parameter in run.params for flag in parameter.opts]
    if TABLE[name].hidden:
        # Everybody can read command lines.
        assert f"--{name}" not in flags
    else:
        assert TABLE[name].flag in flags


def test_only_options_that_were_used_are_flags() -> None:
    given: dict[str, object] = {}

    @click.command()
    @click.pass_context
    def stand_in(context: click.Context, **options: object) -> None:
        given.update(settings_inputs(options).flags)

    stand_in.params.extend(run.params)
    stand_in.main(["--queue", "a=2", "--queue", "b=1", "--lease", "4s"], standalone_mode=False)
    assert given == {"queues": ("a=2", "b=1"), "lease": "4s"}


def test_check_prints_value_and_source(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RRQMP_LEASE", "4s")
    shown = CliRunner().invoke(check, ["--workers", "3", "--json"])
    found = json.loads(shown.output)
    assert found["lease"] == {"value": "4", "source": "RRQMP_LEASE"}
    assert found["max_workers"] == {"value": "3", "source": "--workers"}
    assert list(found) == list(TABLE)


def test_check_reports_every_fault_and_exits_as_configuration(capsys: pytest.CaptureFixture[str]) -> None:
    assert code_of("check", "--workers", "0", "--lease", "soon") == ExitCode.CONFIGURATION
    told = capsys.readouterr().err
    assert "--workers (flag)" in told
    assert "--lease (flag)" in told
    assert "Traceback" not in told


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ConfigurationError("no"), ExitCode.CONFIGURATION),
        (UnsupportedServer("no"), ExitCode.CONFIGURATION),
        (StoreUnavailable("no"), ExitCode.REDIS_UNREACHABLE),
        (ActivityNotFound("no"), ExitCode.BUG),
        (KeyboardInterrupt(), commands.INTERRUPTED),
    ],
)
def test_error_that_users_can_mend_becomes_an_exit_code(error: BaseException, code: ExitCode) -> None:
    def fail() -> None:
        raise error

    assert commands.exit_code_of(fail) == code


def test_fault_of_ours_keeps_its_traceback() -> None:
    def fail() -> None:
        raise KeyError("ours")

    with pytest.raises(KeyError):
        commands.exit_code_of(fail)


def test_launch_order_that_is_none_is_a_usage_error() -> None:
    assert code_of("run", "--launch", "{}") == ExitCode.USAGE


@pytest.mark.parametrize("door", ["rrqmp.supervisor", "rrqmp"])
def test_both_doors_answer(door: str) -> None:
    asked = [sys.executable, "-m", door, *(["run"] if door == "rrqmp" else []), "--help"]
    ran = subprocess.run(asked, capture_output=True, text=True, check=True, cwd=Path(commands.__file__).parents[2])
    assert "--shutdown-timeout" in ran.stdout
