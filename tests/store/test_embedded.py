"""The embedded server: private, found by its URL, guarded against twins, and gone with whoever started it."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from rrqmp.errors import ConfigurationError, StoreUnavailable
from rrqmp.store.connection import BlockingConnection
from rrqmp.store.embedded import EmbeddedServer, find_binary
from rrqmp.store.embedded_place import resolve_embedded

pytestmark = pytest.mark.once

_PARENT = """
import sys, time
from pathlib import Path
from rrqmp.store.embedded import EmbeddedServer
server = EmbeddedServer(Path(sys.argv[1])).start()
print(server.pid, flush=True)
time.sleep(600)
"""


@pytest.fixture
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("s")


def _until(condition: object, what: str) -> None:
    assert callable(condition)
    moment = threading.Event()
    for _ in range(500):
        if condition():
            return
        moment.wait(0.01)
    raise AssertionError(f"not within 5 s: {what}")


def test_server_is_gone_with_its_killed_parent(folder: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", _PARENT, str(folder)], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        os.kill(pid, 0)
        parent.kill()
    _until(lambda: not _lives(pid), "the server's end")


def test_next_start_waits_for_the_last_server_to_close_its_file(folder: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", _PARENT, str(folder)], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        with BlockingConnection(f"embedded:{folder}") as connection:
            connection.command("SET", "kept", "1")
        parent.kill()
    # Either the old one still answers and is joined, or a new one has taken its place; never two on one file.
    with EmbeddedServer(folder) as server:
        _until(lambda: server.is_owner or not _lives(pid), "one owner")
        if not server.is_owner:
            server.start()
        with BlockingConnection(server.url) as connection:
            assert connection.command("GET", "kept") == b"1"


def _lives(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as status:
            return status.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_second_starter_joins_and_leaves_the_server_alone(folder: Path) -> None:
    with EmbeddedServer(folder) as first:
        with EmbeddedServer(folder) as second:
            assert not second.is_owner
        with BlockingConnection(first.url) as connection:
            assert connection.command("PING") == b"PONG"


def test_client_with_the_same_url_finds_it(folder: Path) -> None:
    with EmbeddedServer(resolve_embedded(f"embedded:{folder}")), BlockingConnection(f"embedded:{folder}") as connection:
        assert connection.command("CONFIG", "GET", "appendonly")[1] == b"yes"


def test_nobody_else_may_enter(folder: Path) -> None:
    with EmbeddedServer(folder / "inner") as server:
        assert stat.S_IMODE(server.place.socket.stat().st_mode) == 0o700
        assert stat.S_IMODE((folder / "inner").stat().st_mode) == 0o700
        with BlockingConnection(server.url) as connection:
            assert connection.command("CONFIG", "GET", "port")[1] == b"0"


def test_long_path_gets_a_short_socket(folder: Path) -> None:
    long = folder / ("x" * 120)
    with EmbeddedServer(long) as server, BlockingConnection(f"embedded:{long}") as connection:
        assert len(str(server.place.socket)) <= 100
        assert connection.command("PING") == b"PONG"


def test_closing_twice_and_starting_again_keeps_what_was_written(folder: Path) -> None:
    server = EmbeddedServer(folder).start()
    with BlockingConnection(server.url) as connection:
        connection.command("SET", "kept", "1")
    server.close()
    server.close()
    with server, BlockingConnection(server.url) as connection:
        assert connection.command("GET", "kept") == b"1"


def test_server_that_cannot_start_says_why(folder: Path) -> None:
    with pytest.raises(StoreUnavailable, match="nonsense"):
        EmbeddedServer(folder, options={"nonsense": "1"}).start()


@pytest.mark.parametrize("taken", ["", "lock"])
def test_directory_that_cannot_be_used_is_named_with_the_remedy(folder: Path, taken: str) -> None:
    folder.mkdir(exist_ok=True)
    place = folder / "server"
    if taken:
        (place / taken).mkdir(parents=True)
    else:
        place.write_text("a file")
    with pytest.raises(ConfigurationError, match=r"server cannot be used.*embedded:/path"):
        EmbeddedServer(place).start()


def test_missing_package_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ConfigurationError, match=r"rrqmp\[embedded\]"):
        find_binary()


def test_stopped_server_leaves_no_socket(folder: Path) -> None:
    with EmbeddedServer(folder) as server:
        socket = server.place.socket
    assert not socket.exists()


def test_interrupt_of_the_terminal_does_not_reach_the_server(folder: Path) -> None:
    with EmbeddedServer(folder) as server:
        assert server.pid is not None
        assert os.getpgid(server.pid) != os.getpgid(0)
