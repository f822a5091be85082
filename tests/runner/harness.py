"""A runner under test and its client, both at the level of bytes: nothing here uses the code that it tests."""

from __future__ import annotations

import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from rrqmp.kernel import proc
from tests.processes.harness import TEST_MARK, eventually, is_alive

ROOT = Path(__file__).resolve().parents[2]
APPS = Path(__file__).parent / "apps"
PATIENCE = 15.0


def free_port() -> int:
    """A port of this host that nobody listens at."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


def request(function: str, params: Any = None, *, seconds: float | None = 10.0, **fields: Any) -> dict[str, Any]:
    """A request as the orchestrator makes it; `seconds` to its deadline."""
    now = datetime.now(UTC)
    job_id = fields.pop("job_id", f"job-{secrets.token_hex(8)}")
    context = {
        "job_id": job_id,
        "attempt": 1,
        # Nine digits, as the orchestrator writes them.
        "enqueue_time": now.isoformat().replace("+00:00", "123Z"),
        "queue_name": "rrq:queue:default",
        "deadline": None if seconds is None else (now + timedelta(seconds=seconds)).isoformat().replace("+00:00", "Z"),
        "trace_context": None,
        "correlation_context": None,
        "worker_id": "rrq_worker_1_abcdef",
    } | fields.pop("context", {})
    payload = {
        "protocol_version": "2",
        "request_id": secrets.token_hex(8),
        "job_id": job_id,
        "function_name": function,
        "params": {} if params is None else params,
        "context": context,
    } | fields
    return {"type": "request", "payload": payload}


def cancel(sent: dict[str, Any], *, by: str = "request_id", **fields: Any) -> dict[str, Any]:
    """A cancel of a request that was made by `request`."""
    payload = {"protocol_version": "2", "job_id": sent["payload"]["job_id"], "hard_kill": False}
    if by == "request_id":
        payload["request_id"] = sent["payload"]["request_id"]
    return {"type": "cancel", "payload": payload | fields}


def frame(message: Any) -> bytes:
    """Four bytes of length and the JSON."""
    body = message if isinstance(message, bytes) else json.dumps(message, separators=(",", ":")).encode()
    return len(body).to_bytes(4, "big") + body


class Wire:
    """One connection to a runner."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def send(self, *messages: Any) -> None:
        """Frames, each of a message or of a body of bytes."""
        self.socket.sendall(b"".join(frame(one) for one in messages))

    def read(self) -> dict[str, Any]:
        """The payload of the next response."""
        body = self.read_body()
        message: dict[str, Any] = json.loads(body)
        assert message["type"] == "response", message
        payload: dict[str, Any] = message["payload"]
        return payload

    def read_body(self) -> bytes:
        """The next frame's body."""
        return self._exactly(int.from_bytes(self._exactly(4), "big"))

    def ask(self, function: str, params: Any = None, **fields: Any) -> dict[str, Any]:
        """Sends one request; the payload of its answer."""
        sent = request(function, params, **fields)
        self.send(sent)
        answer = self.read()
        assert answer["request_id"] == sent["payload"]["request_id"]
        assert answer["job_id"] == sent["payload"]["job_id"]
        return answer

    def read_end(self) -> None:
        """Waits for the other side to close."""
        try:
            assert self.socket.recv(1) == b""
        except ConnectionResetError:
            pass

    def silent(self, seconds: float) -> bool:
        """Whether nothing comes for so long."""
        self.socket.settimeout(seconds)
        try:
            return not self.socket.recv(1, socket.MSG_PEEK)
        except TimeoutError:
            return True
        finally:
            self.socket.settimeout(PATIENCE)

    def close(self) -> None:
        """Ends the connection."""
        self.socket.close()

    def __enter__(self) -> Wire:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _exactly(self, size: int) -> bytes:
        parts: list[bytes] = []
        while size:
            part = self.socket.recv(min(size, 1 << 20))
            if not part:
                raise EOFError("the runner closed the connection")
            parts.append(part)
            size -= len(part)
        return b"".join(parts)


@dataclass
class Running:
    """One runner process and what can be seen of it."""

    process: subprocess.Popen[bytes]
    port: int
    log_path: Path
    mark: str
    wires: list[Wire] = field(default_factory=list)

    @property
    def log(self) -> str:
        """All that it and its workers have printed."""
        return self.log_path.read_text(errors="replace")

    def wait_ready(self) -> Running:
        """Waits until it can be connected to, as the orchestrator does."""

        def probe() -> bool:
            assert self.process.poll() is None, self.log
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
            except OSError:
                return False
            return True

        eventually(probe, seen=lambda: self.log)
        return self

    def connect(self) -> Wire:
        """A new connection, closed at the end of the test."""
        self.wires.append(Wire(self.port))
        return self.wires[-1]

    def logged(self, text: str) -> None:
        """Waits for a text in the log."""
        eventually(lambda: text in self.log, seen=lambda: self.log)

    def left(self) -> list[str]:
        """Processes that carry this runner's mark, it among them."""
        pids = proc.pids_with_environment(TEST_MARK, self.mark)
        return [f"{pid}: {proc.command_line(pid)}" for pid in pids if is_alive(pid)]

    def stop(self) -> float:
        """Sends the orchestrator's signal to the group; seconds until all of it had gone."""
        began = time.monotonic()
        os.killpg(self.process.pid, signal.SIGTERM)
        code = self.process.wait(PATIENCE)
        taken = time.monotonic() - began
        assert code == 0, f"exit code {code}:\n{self.log}"
        return taken


@contextmanager
def running(command: Sequence[str], folder: Path, **environment: str) -> Iterator[Running]:
    """A runner started as the orchestrator starts it: a group of its own, the address at the end."""
    port, mark = free_port(), secrets.token_hex(8)
    log_path = folder / f"log-{port}"
    with log_path.open("ab") as log:
        process = subprocess.Popen(
            [*command, "--tcp-socket", f"127.0.0.1:{port}"],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{APPS}", TEST_MARK: mark} | environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            process_group=0,
        )
    one = Running(process, port, log_path, mark)
    try:
        yield one
        for wire in one.wires:
            wire.close()
        if process.poll() is None:
            one.stop()
        eventually(lambda: not one.left(), patience=2, seen=lambda: (one.left(), one.log[-3000:]))
    finally:
        for line in one.left():
            try:
                os.kill(int(line.partition(":")[0]), signal.SIGKILL)
            except ProcessLookupError:
                pass
        process.wait()


def runner_command(app: str = "acts_of_runner:registry", *options: str) -> list[str]:
    """`python -m rrqmp.runner` for an application of the tests."""
    return [sys.executable, "-m", "rrqmp.runner", "--app", app, *options]
