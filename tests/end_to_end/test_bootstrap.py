"""bootstrap.py on a machine that lacks what a bare Debian lacks; the index is a folder, and pip a stand-in in it."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]

# Does what bootstrap.py asks of pip: installs itself from the wheel, then notes what it is told to install.
STAND_IN = """
import pathlib, shutil, site, sys
target = pathlib.Path(site.getsitepackages()[0])
arguments = sys.argv[1:]
if arguments[:1] == ["--version"]:
    print("pip 99")
elif arguments[-1].endswith(".whl"):
    import zipfile
    zipfile.ZipFile(arguments[-1]).extractall(target)
else:
    with open(pathlib.Path(sys.prefix) / "asked", "a") as asked:
        print(*arguments, file=asked)
    for name in ("rrqmp", "tox"):
        (target / name).mkdir(exist_ok=True)
        (target / name / "__main__.py").write_text("import sys; print(__package__, *sys.argv[1:])")
"""


@pytest.fixture
def bootstrap() -> ModuleType:
    spec = importlib.util.spec_from_file_location("bootstrap", ROOT / "bootstrap.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def index(tmp_path: Path) -> Path:
    """A simple index of one project."""
    folder = tmp_path / "simple" / "pip"
    folder.mkdir(parents=True)
    names = ["pip-98.0-py3-none-any.whl", "pip-99.0.1-py3-none-any.whl", "pip-100.0b1-py3-none-any.whl"]
    for name in names:
        with zipfile.ZipFile(folder / name, "w") as wheel:
            wheel.writestr("pip/__init__.py", f"# {name}")
            wheel.writestr("pip/__main__.py", STAND_IN)
    digests = {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in names}
    links = "".join(f'<a href="{name}#sha256={digests[name]}">{name}</a>' for name in names)
    (folder / "index.html").write_text(f"<html>{links}</html>")
    return tmp_path / "simple"


@pytest.fixture
def bare(tmp_path: Path, index: Path) -> dict[str, str]:
    """The environment of a machine without ensurepip, whose index is the folder."""
    hidden = tmp_path / "hidden" / "ensurepip"
    hidden.mkdir(parents=True)
    (hidden / "__init__.py").write_text("raise ImportError('not on this machine')")
    return {
        "PATH": "/usr/bin:/bin",
        "HOME": str(tmp_path),
        "PYTHONPATH": str(hidden.parent),
        "PIP_INDEX_URL": index.as_uri(),
        "PIP_CONFIG_FILE": os.devnull,
    }


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    folder = tmp_path / "checkout"
    folder.mkdir()
    for name in ("bootstrap.py", "pyproject.toml"):
        shutil.copy(ROOT / name, folder)
    return folder


def run(checkout: Path, environ: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    asked = [sys.executable, str(checkout / "bootstrap.py"), *arguments]
    return subprocess.run(asked, check=False, env=environ, capture_output=True, text=True, cwd=checkout.parent)


def test_first_run_gets_pip_from_the_index_and_becomes_the_command(checkout: Path, bare: dict[str, str]) -> None:
    ran = run(checkout, bare, "demo", "--workers", "2")
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.strip() == "rrqmp demo --workers 2"
    assert "-e" in (checkout / ".venv" / "asked").read_text()
    assert {path.name for path in checkout.iterdir()} <= {".venv", "bootstrap.py", "pyproject.toml"}


def test_second_run_installs_nothing(checkout: Path, bare: dict[str, str]) -> None:
    run(checkout, bare, "test")
    ran = run(checkout, bare, "test", "-e", "lint")
    assert (ran.stdout.strip(), ran.stderr) == ("tox run -e lint", "")
    assert len((checkout / ".venv" / "asked").read_text().splitlines()) == 1


def test_changed_project_file_installs_anew(checkout: Path, bare: dict[str, str]) -> None:
    run(checkout, bare, "test")
    (checkout / "pyproject.toml").write_text("# changed")
    run(checkout, bare, "test")
    assert len((checkout / ".venv" / "asked").read_text().splitlines()) == 2


@pytest.mark.parametrize("arguments", [[], ["dmeo"]])
def test_anything_but_the_two_commands_is_told_how_to_be_called(
    checkout: Path, bare: dict[str, str], arguments: list[str]
) -> None:
    ran = run(checkout, bare, *arguments)
    assert ran.returncode != 0
    assert "usage: python3 bootstrap.py demo | test" in ran.stderr
    assert not (checkout / ".venv").exists()


def settle_options(monkeypatch: pytest.MonkeyPatch, **options: str) -> None:
    for variable in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(variable)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    for name, value in options.items():
        monkeypatch.setenv(name, value)


def test_newest_final_release_is_taken(
    bootstrap: ModuleType, index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settle_options(monkeypatch, PIP_INDEX_URL=index.as_uri())
    assert bootstrap.fetch_pip(str(tmp_path)) == "pip-99.0.1-py3-none-any.whl"


def test_folder_of_wheels_serves_without_an_index(
    bootstrap: ModuleType, index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (index / "pip" / "index.html").unlink()
    settle_options(monkeypatch, PIP_NO_INDEX="1", PIP_FIND_LINKS=str(index / "pip"))
    assert bootstrap.fetch_pip(str(tmp_path)) == "pip-99.0.1-py3-none-any.whl"


def test_index_that_is_not_there_leaves_the_extra_one(
    bootstrap: ModuleType, index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settle_options(monkeypatch, PIP_INDEX_URL="file:///nowhere/simple", PIP_EXTRA_INDEX_URL=index.as_uri())
    assert bootstrap.fetch_pip(str(tmp_path)) == "pip-99.0.1-py3-none-any.whl"


def test_no_index_at_all_names_the_remedy_and_hides_the_login(
    bootstrap: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settle_options(monkeypatch, PIP_INDEX_URL="http://me:secret@127.0.0.1:9/simple")
    with pytest.raises(SystemExit, match="PIP_INDEX_URL") as caught:
        bootstrap.fetch_pip(str(tmp_path))
    assert "secret" not in str(caught.value)


def test_wheel_that_was_changed_on_its_way_is_refused(
    bootstrap: ModuleType, index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settle_options(monkeypatch, PIP_INDEX_URL=index.as_uri())
    with (index / "pip" / "pip-99.0.1-py3-none-any.whl").open("ab") as wheel:
        wheel.write(b"more")
    with pytest.raises(SystemExit, match="sha256"):
        bootstrap.fetch_pip(str(tmp_path))


def test_settings_of_pip_come_from_its_files_and_its_variables(
    bootstrap: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tmp_path / "pip.conf"
    config.write_text("[global]\nindex-url = https://a\ncert = /c\n[install]\nfind_links = /wheels\n")
    settle_options(monkeypatch, PIP_CONFIG_FILE=str(config), PIP_INDEX_URL="https://b")
    options = bootstrap.pip_options()
    assert (options["index-url"], options["cert"], options["find-links"]) == ("https://b", "/c", "/wheels")
