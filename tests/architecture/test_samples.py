"""The files for hosts say what the table of settings says, and they work."""

from __future__ import annotations

import configparser
import re
import tomllib
from pathlib import Path

import pytest
from samples import FOLDER, SAMPLES, SHOWN

from rrqmp.settings import TABLE, SettingsInputs
from rrqmp.shared_state.exit_codes import ExitCode


@pytest.mark.parametrize("name", sorted(SAMPLES))
def test_sample_equals_the_table(name: str) -> None:
    written = (FOLDER / name).read_text(encoding="utf-8")
    assert written == SAMPLES[name](), "run: python tests/architecture/samples.py"


def uncommented(name: str) -> str:
    return re.sub(r"^#(?=\w)", "", (FOLDER / name).read_text(encoding="utf-8"), flags=re.MULTILINE)


def plain_lines(text: str) -> dict[str, str]:
    pairs = (line.partition("=") for line in text.splitlines() if line and not line.startswith("#"))
    return {key.strip(): value.strip() for key, _, value in pairs}


def without_places(values: dict[str, str], folder_key: str) -> dict[str, str]:
    return {key: value for key, value in values.items() if key != folder_key}


def test_environment_sample_is_accepted_and_means_the_defaults(tmp_path: Path) -> None:
    # The application's folder of the sample is not on this machine.
    environ = without_places(plain_lines(uncommented("rrqmp.env")), "RRQMP_APP_DIR")
    check_defaults(SettingsInputs(environ=environ, folder=tmp_path))


def test_toml_sample_is_accepted_and_means_the_defaults(tmp_path: Path) -> None:
    text = re.sub(r"(?m)^app_dir = .*$", "", uncommented("rrqmp.toml"))
    assert set(tomllib.loads(text)) == set(TABLE) - {"app_dir"}
    (tmp_path / "rrqmp.toml").write_text(text)
    check_defaults(SettingsInputs(environ={}, folder=tmp_path))


def check_defaults(inputs: SettingsInputs) -> None:
    settings = inputs.resolve().settings
    defaults = SettingsInputs(environ={}, folder=Path("/nowhere")).resolve().settings
    for name in set(TABLE) - set(SHOWN) - {"runtime_dir"}:
        assert getattr(settings, name) == getattr(defaults, name), name


def unit() -> configparser.RawConfigParser:
    parser = configparser.RawConfigParser(strict=False)
    parser.optionxform = str  # type: ignore[assignment, method-assign]
    parser.read(FOLDER / "rrqmp.service")
    return parser


def test_unit_leaves_the_supervisor_the_time_that_it_gives_its_activities() -> None:
    stop = float(unit()["Service"]["TimeoutStopSec"])
    assert stop >= SettingsInputs(environ={}).resolve().settings.shutdown_timeout + 2


def test_unit_signals_only_the_supervisor_and_survives_the_death_of_a_worker_for_memory() -> None:
    service = unit()["Service"]
    assert service["KillMode"] == "mixed"
    assert service["OOMPolicy"] == "continue"
    assert service["NotifyAccess"] == "main"


def test_unit_does_not_restart_what_a_restart_cannot_mend() -> None:
    codes = set(map(int, unit()["Service"]["RestartPreventExitStatus"].split()))
    assert codes == {ExitCode.USAGE, ExitCode.CONFIGURATION}


def test_unit_starts_the_command_with_the_sample_files() -> None:
    service = unit()["Service"]
    assert service["ExecStart"].endswith("/bin/rrqmp run --config /etc/rrqmp/rrqmp.toml")
    assert service["EnvironmentFile"] == "-/etc/rrqmp/rrqmp.env"
    assert service["RuntimeDirectory"] == "rrqmp"
