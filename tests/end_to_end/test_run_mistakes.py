"""`rrqmp run` with something wrong: which exit code, and what it says to mend it. Nothing is left running."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from rrqmp.shared_state.exit_codes import ExitCode
from rrqmp.store.embedded import EmbeddedServer
from tests.servers import embedded_server

pytestmark = pytest.mark.once

PROGRAM = """
from rrqmp import WorkerEngine
engine = WorkerEngine()
empty = WorkerEngine()

@engine.activity("double")
def double(number: int) -> int:
    return 2 * number
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A newcomer's folder with one good and two bad programs."""
    (tmp_path / "good.py").write_text(PROGRAM)
    (tmp_path / "broken.py").write_text("import no_such_module_of_ours\n")
    (tmp_path / "twice.py").write_text(PROGRAM + "\nengine.register_activity('double', lambda payload: payload)\n")
    return tmp_path


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        ([], ExitCode.USAGE, "--app"),
        (["--app", "good.py"], ExitCode.CONFIGURATION, "did you mean good?"),
        (["--app", "goood:engine"], ExitCode.CONFIGURATION, "goood"),
        (["--app", "good:engin"], ExitCode.CONFIGURATION, "engin"),
        (["--app", "good:empty"], ExitCode.CONFIGURATION, "no handlers"),
        (["--app", "broken"], ExitCode.CONFIGURATION, "import no_such_module_of_ours"),
        (["--app", "twice"], ExitCode.CONFIGURATION, "two handlers for the activity type 'double'"),
        (["--app", "good", "--activity-type", "triple"], ExitCode.CONFIGURATION, "'triple'"),
        (["--app", "good", "--worker", "3"], ExitCode.USAGE, "--workers"),
        (["--app", "good", "--workers", "many"], ExitCode.CONFIGURATION, "--workers (flag) is 'many'"),
        (["--app", "good", "--queue", "a{b}"], ExitCode.CONFIGURATION, "braces"),
        (["--app", "good", "--app-dir", "absent"], ExitCode.CONFIGURATION, "no such folder"),
        (["--app", "good", "--config", "absent.toml"], ExitCode.CONFIGURATION, "absent.toml cannot be read"),
    ],
)
def test_mistake_is_named_with_its_remedy(
    rrqmp: Any, server: EmbeddedServer, folder: Path, options: list[str], code: ExitCode, said: str
) -> None:
    ran = rrqmp("run", "--redis-url", server.url, "--runtime-dir", str(folder / "run"), *options)
    assert ran.returncode == code, ran.stderr
    assert said in ran.stderr
    assert f'File "{os.path.dirname(__file__)}' not in ran.stderr


def test_server_that_is_down_names_the_remedies(rrqmp: Any, folder: Path) -> None:
    gone = f"unix://{folder}/none.sock"
    ran = rrqmp(
        "run", "--app", "good", "--redis-url", gone, "--start-timeout", "0", "--runtime-dir", str(folder / "run")
    )
    assert ran.returncode == ExitCode.REDIS_UNREACHABLE
    assert "none.sock" in ran.stderr
    assert "--redis-url embedded:" in ran.stderr


@pytest.mark.parametrize("url", ["reds://localhost", "redis://host:port", "unix://relative", "redis://h/x"])
def test_url_that_is_wrong_is_named(rrqmp: Any, folder: Path, url: str) -> None:
    ran = rrqmp("run", "--app", "good", "--redis-url", url, "--runtime-dir", str(folder / "run"))
    assert ran.returncode == ExitCode.CONFIGURATION, ran.stderr
    assert url in ran.stderr
    assert "Traceback" not in ran.stderr


@pytest.mark.parametrize(
    ("options", "said"),
    [({"maxmemory-policy": "allkeys-lru"}, "noeviction"), ({"requirepass": "secret"}, "password")],
)
def test_server_that_cannot_keep_the_promises_is_refused(
    rrqmp: Any, folder: Path, options: dict[str, str], said: str
) -> None:
    # A server with a password answers its starter's PING with an error, so its own address tells when it is up.
    where = folder / "server"
    with embedded_server(where, **{name: value for name, value in options.items() if name != "requirepass"}) as running:
        if "requirepass" in options:
            set_password(running, options["requirepass"])
        ran = rrqmp("run", "--app", "good", "--redis-url", running.url, "--runtime-dir", str(folder / "run"))
    assert ran.returncode == ExitCode.CONFIGURATION, ran.stderr
    assert said in ran.stderr
    assert "Traceback" not in ran.stderr


def set_password(running: EmbeddedServer, password: str) -> None:
    from rrqmp.store.connection import BlockingConnection

    with BlockingConnection(running.url, name="test") as connection:
        connection.command("CONFIG", "SET", "requirepass", password)


def test_missing_url_never_starts_a_server(rrqmp: Any, folder: Path) -> None:
    # Port 1 stands for the default: nothing may listen there, and nothing may be started in its place.
    ran = rrqmp(
        "run", "--app", "good", "--redis-url", "redis://127.0.0.1:1", "--start-timeout", "0",
        "--runtime-dir", str(folder / "run"),
    )  # fmt: skip
    assert ran.returncode == ExitCode.REDIS_UNREACHABLE
    assert not [path for path in folder.rglob("*") if path.name.endswith(".aof") or path.name == "server.sock"]


def test_embedded_server_that_does_not_come_up_is_no_fault_of_the_supervisor(rrqmp: Any, folder: Path) -> None:
    (folder / "store" / "appendonlydir").mkdir(parents=True)
    (folder / "store" / "appendonlydir" / "appendonly.aof.manifest").write_text("nonsense\n")
    ran = rrqmp(
        "run", "--app", "good", "--redis-url", f"embedded:{folder / 'store'}", "--runtime-dir", str(folder / "run")
    )
    assert ran.returncode == ExitCode.REDIS_UNREACHABLE, ran.stderr
    assert "embedded server ended" in ran.stderr
    assert "Traceback" not in ran.stderr
