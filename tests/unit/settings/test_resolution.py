"""The four sources, their rank, and the one report of everything that is wrong."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from rrqmp.errors import ConfigurationError
from rrqmp.settings import TABLE, QueueOrder, Resolved, SettingsInputs
from rrqmp.settings.resolution import show_value


def resolve(
    folder: Path,
    *,
    flags: Mapping[str, object] | None = None,
    environ: Mapping[str, str] | None = None,
    toml: str = "",
    app: Mapping[str, object] | None = None,
) -> Resolved:
    if toml:
        (folder / "rrqmp.toml").write_text(toml)
    return SettingsInputs(flags=flags or {}, environ=environ or {}, folder=folder).resolve(app)


def fault(folder: Path, **given: object) -> str:
    with pytest.raises(ConfigurationError) as caught:
        resolve(folder, **given)  # type: ignore[arg-type]
    return str(caught.value)


def test_each_source_goes_before_the_next(tmp_path: Path) -> None:
    sources: dict[str, object] = {
        "flags": {"lease": "4"},
        "environ": {"RRQMP_LEASE": "5", "RRQMP_MAX_CRASHES": "6"},
        "toml": "lease = 7\nmax_crashes = 8\nmax_losses = 9",
        "app": {"lease": 10, "max_crashes": 11, "max_losses": 12, "prefix": "mine"},
    }
    resolved = resolve(tmp_path, **sources)  # type: ignore[arg-type]
    settings = resolved.settings
    assert (settings.lease, settings.max_crashes, settings.max_losses, settings.prefix) == (4.0, 6, 9, "mine")
    assert resolved.sources["lease"] == "--lease"
    assert resolved.sources["max_crashes"] == "RRQMP_MAX_CRASHES"
    assert resolved.sources["max_losses"] == str(tmp_path / "rrqmp.toml")
    assert resolved.sources["prefix"] == "application"
    assert resolved.sources["spares"] == "default"


def test_nothing_given_yields_the_defaults(tmp_path: Path) -> None:
    settings = resolve(tmp_path).settings
    assert settings.redis_url == "redis://127.0.0.1:6379"
    assert settings.queues == {"default": 1}
    assert settings.max_workers >= 1
    assert settings.spares is None


def test_redis_url_of_other_programs_is_not_read(tmp_path: Path) -> None:
    assert resolve(tmp_path, environ={"REDIS_URL": "redis://elsewhere"}).sources["redis_url"] == "default"


def test_all_faults_of_all_sources_come_in_one_report(tmp_path: Path) -> None:
    report = fault(
        tmp_path,
        flags={"max_workers": "0"},
        environ={"RRQMP_LEESE": "1", "RRQMP_RESULT_TTL": "12 parsecs"},
        toml='log_format = "jsn"\nlese = 3',
        app={"max_crashes": True},
    )
    lines = report.splitlines()
    assert lines[0] == "6 settings are wrong:"
    assert "--workers (flag) is '0': give a whole number from 1 to 4096" in lines[1]
    assert "RRQMP_LEESE (environment) is no setting; did you mean RRQMP_LEASE?" in report
    assert "RRQMP_RESULT_TTL (environment) is '12 parsecs': give a number with" in report
    assert "rrqmp.toml) is 'jsn': give one of text, json; did you mean json?" in report
    assert "rrqmp.toml) is no setting; did you mean lease?" in report
    assert "max_crashes (application) is True: give a whole number" in report


def test_value_that_loses_is_checked_too(tmp_path: Path) -> None:
    assert "RRQMP_LEASE" in fault(tmp_path, flags={"lease": "5"}, environ={"RRQMP_LEASE": "soon"})


def test_password_of_a_wrong_url_stays_out_of_the_report(tmp_path: Path) -> None:
    assert "secret" not in fault(tmp_path, environ={"RRQMP_REDIS_URL": "reds://user:secret@host"})


def test_password_is_masked_where_settings_are_shown(tmp_path: Path) -> None:
    settings = resolve(tmp_path, flags={"redis_url": "redis://user:se@cret@host:1/0"}).settings
    assert show_value(TABLE["redis_url"], settings) == "redis://user:***@host:1/0"


def test_marks_of_the_supervisor_are_no_settings(tmp_path: Path) -> None:
    resolve(tmp_path, environ={"RRQMP_NODE_MARK": "a@1"})


def test_none_of_the_application_counts_as_not_set(tmp_path: Path) -> None:
    assert resolve(tmp_path, app={"lease": None}).sources["lease"] == "default"


def test_named_file_must_exist(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"no-such\.toml cannot be read"):
        SettingsInputs(environ={}, config_file=tmp_path / "no-such.toml").resolve()


def test_variable_names_the_file(tmp_path: Path) -> None:
    (tmp_path / "other.toml").write_text("lease = 3")
    environ = {"RRQMP_CONFIG": str(tmp_path / "other.toml")}
    assert resolve(tmp_path, environ=environ).settings.lease == 3.0


def test_file_that_is_no_toml_is_named_with_its_fault(tmp_path: Path) -> None:
    assert "is not TOML" in fault(tmp_path, toml="lease = = 3")


@pytest.mark.parametrize(
    ("given", "order", "plan"),
    [
        ("b,a", QueueOrder.STRICT, ["b", "a"]),
        (["b", "a"], QueueOrder.STRICT, ["b", "a"]),
        ("high=3, low=1", QueueOrder.WEIGHTS, ["high", "low"]),
        (("high=3", "low=1"), QueueOrder.WEIGHTS, ["high", "low"]),
        ({"high": 3, "low": 1}, QueueOrder.WEIGHTS, ["high", "low"]),
    ],
)
def test_queues_come_in_order_or_with_weights(
    tmp_path: Path, given: object, order: QueueOrder, plan: list[str]
) -> None:
    settings = resolve(tmp_path, flags={"queues": given}).settings
    assert settings.queue_order is order
    assert list(settings.queues) == plan
    if order is QueueOrder.WEIGHTS:
        assert list(settings.queues.values()) == [3, 1]


@pytest.mark.parametrize("name", sorted(TABLE))
def test_shown_value_reads_back_as_the_same_value(tmp_path: Path, name: str) -> None:
    settings = resolve(tmp_path).settings
    shown = show_value(TABLE[name], settings)
    if TABLE[name].default() in ("", ()):
        assert shown == TABLE[name].shown_default
    elif name == "runtime_dir":
        assert shown == settings.runtime_dir
    else:
        again = resolve(tmp_path, flags={name: shown}).settings
        assert getattr(again, name) == getattr(settings, name)


def test_key_is_never_shown_nor_taken_from_a_flag(tmp_path: Path) -> None:
    environ = {"RRQMP_KEY": "a-secret-of-many-letters"}
    settings = SettingsInputs(environ=environ, folder=tmp_path).resolve().settings
    assert settings.key == environ["RRQMP_KEY"]
    assert show_value(TABLE["key"], settings) == "***"
    assert settings.key not in repr(settings)
    assert TABLE["key"].flag == ""
    weak = fault(tmp_path, environ={"RRQMP_KEY": "fifteen letters"})
    assert "at least 16" in weak
    assert "fifteen" not in weak
