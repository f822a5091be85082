"""Readers of single values: what they take, and what they answer to the rest."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path

import pytest

from rrqmp.model.names import check_queue_name
from rrqmp.settings import TABLE, values
from rrqmp.settings.table import MONTH, host_node_name, host_runtime_dir


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (25, 25.0),
        (0.5, 0.5),
        ("25", 25.0),
        ("500ms", 0.5),
        ("1.5 m", 90.0),
        ("2h", 7200.0),
        (timedelta(days=1), 86400.0),
    ],
)
def test_duration_is_read_from_numbers_text_and_timedelta(given: object, expected: float) -> None:
    assert values.seconds(0.001, MONTH)(given, "it") == expected


@pytest.mark.parametrize("given", ["", "soon", "10M", "1h30m", "-5", 0, 1e9, True, None, float("nan"), "31d"])
def test_what_is_no_duration_is_refused_with_the_remedy(given: object) -> None:
    with pytest.raises(ValueError, match=r"it is .*: give"):
        values.seconds(0.001, MONTH)(given, "it")


@pytest.mark.parametrize(("given", "expected"), [(2048, 2048), ("2048", 2048), ("512MiB", 2**29), ("1.5 KiB", 1536)])
def test_size_is_read_from_numbers_and_binary_units(given: object, expected: int) -> None:
    assert values.size(1, 2**30)(given, "it") == expected


@pytest.mark.parametrize("given", ["512M", "512MB", 0, 1.5, True, "2GiB"])
def test_size_with_a_decimal_unit_is_refused(given: object) -> None:
    with pytest.raises(ValueError, match=r"it is .*: (give|write)"):
        values.size(1, 2**30)(given, "it")


@pytest.mark.parametrize("given", ["thumbs", "thumbs:engine", "a.b.c:d.e", "site.wiring:make()"])
def test_application_is_a_module_with_an_attribute(given: str) -> None:
    assert values.application(given, "it") == given


@pytest.mark.parametrize(
    ("given", "meant"),
    [("thumbs.py", "thumbs?"), ("./app/thumbs.py:engine", "app.thumbs:engine?"), ("app/thumbs:engine", "app.thumbs")],
)
def test_file_as_application_names_the_module_meant(given: str, meant: str) -> None:
    with pytest.raises(ValueError, match="that is a file") as caught:
        values.application(given, "it")
    assert f"did you mean {meant}" in str(caught.value)


@pytest.mark.parametrize("given", ["", "thumbs:", "thumbs:make(1)", "thum bs", "a..b", "1a:b"])
def test_application_that_cannot_be_imported_is_refused(given: str) -> None:
    with pytest.raises(ValueError, match="give"):
        values.application(given, "it")


@pytest.mark.parametrize("given", ["redis://h", "rediss://h:1/2", "unix:///run/r.sock", "embedded:", "embedded:/x"])
def test_redis_url_keeps_its_text(given: str) -> None:
    assert values.redis_url(given, "it") == given


def test_misspelt_redis_scheme_is_named() -> None:
    with pytest.raises(ValueError, match="did you mean redis://"):
        values.redis_url("reds://localhost", "it")


@pytest.mark.parametrize("given", [[], "", {}, "a,a", "a=1,b", {"a": 0}, "a=x", ["a{b}"], "a\x01b", "x" * 65, 5])
def test_queue_plan_that_makes_no_sense_is_refused(given: object) -> None:
    with pytest.raises(ValueError, match=r"^it"):
        values.queues(check_queue_name)(given, "it")


def test_word_may_stand_for_none() -> None:
    read = values.unless("auto", values.whole(0, 64))
    assert read("Auto", "it") is None
    assert read("3", "it") == 3
    with pytest.raises(ValueError, match="from 0 to 64, or 'auto'"):
        read("some", "it")


def test_folder_must_exist(tmp_path: Path) -> None:
    assert values.folder(tmp_path, "it") == os.fspath(tmp_path)
    with pytest.raises(ValueError, match="no such folder"):
        values.folder(str(tmp_path / "absent"), "it")


def test_node_name_of_the_host_is_a_node_name() -> None:
    assert values.name(host_node_name(), "it") == host_node_name()


def test_runtime_folder_is_the_units_then_the_sessions_then_a_private_one(tmp_path: Path) -> None:
    assert host_runtime_dir({"RUNTIME_DIRECTORY": "/run/rrqmp:/run/more", "XDG_RUNTIME_DIR": "/x"}) == "/run/rrqmp"
    assert host_runtime_dir({"XDG_RUNTIME_DIR": str(tmp_path)}) == str(tmp_path / "rrqmp")
    assert host_runtime_dir({}).endswith(f"rrqmp-{os.getuid()}")


@pytest.mark.parametrize("name", sorted(TABLE))
def test_default_passes_its_own_reader(name: str) -> None:
    setting = TABLE[name]
    default = setting.default()
    if default not in ("", None):
        setting.read(default, "it")


@pytest.mark.parametrize("name", sorted(set(TABLE) - {"app", "activity_types", "key", "max_workers", "node"}), ids=str)
def test_shown_default_is_the_default_wherever_it_is_no_sentence(name: str) -> None:
    setting = TABLE[name]
    shown = setting.shown_default.replace("$XDG_RUNTIME_DIR/rrqmp", str(setting.default()))
    assert setting.read(shown, "it") == setting.default() or name == "queues"


@pytest.mark.parametrize(
    ("given", "read"),
    [
        ("127.0.0.1:9464", "127.0.0.1:9464"),
        (":9464", "127.0.0.1:9464"),
        (9464, "127.0.0.1:9464"),
        ("localhost:9464", "127.0.0.1:9464"),
        ("0.0.0.0:0", "0.0.0.0:0"),
        ("[::1]:9464", "[::1]:9464"),
        ("off", ""),
        ("", ""),
    ],
)
def test_listening_address_is_in_figures_and_on_this_host_unless_told(given: object, read: str) -> None:
    assert values.listening_address(given, "flag") == read


@pytest.mark.parametrize(
    "wrong", ["example.org:9464", "127.0.0.1", "127.0.0.1:70000", "1.2.3:5", "::1:5", "[::1:5", "no", True, None, 1.5]
)
def test_listening_address_in_words_is_refused_with_a_remedy(wrong: object) -> None:
    with pytest.raises(ValueError, match="127.0.0.1:9464, or off"):
        values.listening_address(wrong, "flag")
