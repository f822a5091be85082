"""The metrics door against strangers: every one of them is bounded, and no kill is late for any of them."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from rrqmp.model.attempt import AttemptKind
from rrqmp.shared_state.exit_codes import ExitCode
from rrqmp.store.embedded import EmbeddedServer
from tests.processes.conftest import Supervise
from tests.processes.harness import Queue, Supervised, eventually
from tests.telemetry.scraping import APPS, address, get, scrape, scraped

pytestmark = pytest.mark.once


@pytest.fixture
def observed(supervise: Supervise) -> Supervised:
    return supervise(app="counted:engine", app_dir=APPS, metrics_address="127.0.0.1:0")


def connect(running: Supervised) -> socket.socket:
    host, _, port = address(running).rpartition(":")
    return socket.create_connection((host, int(port)), timeout=10)


def ask(running: Supervised, request: bytes) -> bytes:
    """Sends bytes, reads to the end."""
    with connect(running) as stranger:
        stranger.sendall(request)
        answer = b""
        with contextlib.suppress(ConnectionResetError):
            while some := stranger.recv(65536):
                answer += some
        return answer


NO_HTTP = (
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" * 20 + b"\r\n\r\n",
    b"\x00\xff\r\n\r\n",
    b"GET\r\n\r\n",
    b"\r\n\r\n",
)


def test_strangers_get_a_short_answer_or_none_and_in_time(observed: Supervised) -> None:
    assert ask(observed, b"POST /metrics HTTP/1.1\r\n\r\n").startswith(b"HTTP/1.1 405 ")
    assert ask(observed, b"GET /../etc/passwd HTTP/1.1\r\n\r\n").startswith(b"HTTP/1.1 404 ")
    head = ask(observed, b"HEAD /metrics?name=x HTTP/1.0\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 ")
    assert head.endswith(b"\r\n\r\n")
    for noise in NO_HTTP:
        assert len(ask(observed, noise)) < 300, noise
    # A head without an end, and one that comes too slowly.
    assert ask(observed, b"GET /metrics HTTP/1.1\r\n" + b"X: y\r\n" * 4000) == b""
    with connect(observed) as slow:
        slow.sendall(b"GET /met")
        began = time.monotonic()
        with contextlib.suppress(ConnectionResetError):
            assert slow.recv(10) == b""
        assert 1 < time.monotonic() - began < 8
    assert get(observed, "/healthz")[:2] == (200, "ok\n")
    assert get(observed, "/readyz")[:2] == (200, "ok\n")
    status, _, headers = get(observed)
    assert (status, headers["Content-Type"]) == (200, "text/plain; version=0.0.4; charset=utf-8")


@contextlib.contextmanager
def storm(running: Supervised) -> Iterator[None]:
    """A hundred connections that say nothing, some that never read, and scrapers that come again and again."""
    stop = threading.Event()

    def scrape_on() -> None:
        while not stop.is_set():
            with contextlib.suppress(OSError):
                get(running)

    with contextlib.ExitStack() as open_connections:
        for number in range(100):
            silent = open_connections.enter_context(connect(running))
            if number % 4 == 0:
                silent.sendall(b"GET /metrics HTTP/1.1\r\n\r\n")
        threads = [threading.Thread(target=scrape_on) for _ in range(2)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            stop.set()
            for thread in threads:
                thread.join()


def lateness(queue: Queue, kills: int) -> list[float]:
    """Seconds by which each kill was late, as its attempt's record tells."""
    ids = [queue.submit("hang", timeout=0.2) for _ in range(kills)]
    attempts = [record.attempts[-1] for record in queue.all_ended(ids)]
    assert {attempt.kind for attempt in attempts} == {AttemptKind.TIMED_OUT}
    return [(attempt.run_seconds or 9) - 0.2 for attempt in attempts]


def test_hundred_silent_connections_keep_nobody_out_and_delay_no_kill(observed: Supervised, queue: Queue) -> None:
    with storm(observed):
        began = time.monotonic()
        assert scrape(observed).families
        assert time.monotonic() - began < 5
        late = lateness(queue, 4)
    # A kill that waited for a slow stranger would be seconds late; neighbours on this machine cost some milliseconds.
    assert min(late) < 0.15, late
    assert max(late) < 1, late
    assert get(observed, "/readyz")[0] == 200


@pytest.mark.once
def test_port_in_use_ends_the_start_and_is_named(supervise: Supervise) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        taken = f"127.0.0.1:{other.getsockname()[1]}"
        running = supervise(wait=False, metrics_address=taken)
        assert running.exit_code() == ExitCode.CONFIGURATION
    assert f"metrics_address {taken} is in use" in running.log
    assert "Traceback" not in running.log


@pytest.mark.once
def test_missing_library_is_named_with_its_remedy(supervise: Supervise, tmp_path: Path) -> None:
    # What an environment without the extra says to an import.
    hidden = "raise ModuleNotFoundError(\"No module named 'prometheus_client'\", name='prometheus_client')"
    (tmp_path / "prometheus_client.py").write_text(hidden)
    path = f"{tmp_path}:{Path(__file__).parents[2]}"
    running = supervise(wait=False, metrics_address="127.0.0.1:0", environment={"PYTHONPATH": path})
    assert running.exit_code() == ExitCode.CONFIGURATION
    assert "pip install rrqmp[prometheus]" in running.log


@pytest.mark.once
def test_redis_away_is_told_and_the_rest_is_still_there(own_server: EmbeddedServer, supervise: Supervise) -> None:
    running = supervise(app="counted:engine", app_dir=APPS, metrics_address="127.0.0.1:0", url=own_server.url, lease=1)
    assert scrape(running).value("redis_up") == 1
    own_server.close()
    eventually(lambda: get(running, "/readyz")[0] == 503)
    page = scraped(running, lambda page: page.value("redis_up") == 0)
    assert page.total("worker_slots") == 2
    assert page.total("queue_depth") == 0
    assert get(running, "/healthz")[0] == 200
    own_server.start()
    eventually(lambda: get(running, "/readyz")[0] == 200)
    assert scraped(running, lambda page: page.value("redis_up") == 1).total("worker_slots") == 2
