"""The real RRQ orchestrator, with a server of its own: started, watched and killed like any program."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import sysconfig
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import redis
from rrq.producer_ffi import RustProducer

from rrqmp.kernel import proc
from tests.processes.harness import eventually, is_alive
from tests.runner.harness import APPS, ROOT, free_port

SCRIPTS = Path(sysconfig.get_path("scripts"))
PATIENCE = 20.0


@dataclass
class Job:
    """One job as the orchestrator keeps it."""

    jobs: Jobs
    job_id: str

    def fields(self) -> dict[str, str]:
        """Its record."""
        return self.jobs.redis.hgetall(f"rrq:job:{self.job_id}")

    def ended(self) -> dict[str, str]:
        """Its record once it has ended."""
        return self.in_status("COMPLETED", "FAILED")

    def in_status(self, *names: str) -> dict[str, str]:
        """Its record once it is in one of these."""
        eventually(lambda: self.fields().get("status") in names, patience=PATIENCE, seen=self.fields)
        return self.fields()

    def result(self) -> Any:
        """What its handler returned."""
        fields = self.ended()
        assert fields["status"] == "COMPLETED", fields
        return json.loads(fields["result"])


class Jobs:
    """The producer's side."""

    def __init__(self, dsn: str) -> None:
        self.redis: redis.Redis = redis.Redis.from_url(dsn, decode_responses=True)
        self._producer = RustProducer.from_config({"redis_dsn": dsn})

    def enqueue(self, function: str, params: Mapping[str, Any] | None = None, **options: Any) -> Job:
        """Submits one."""
        answer = self._producer.enqueue({"function_name": function, "params": dict(params or {}), "options": options})
        job_id = answer["job_id"]
        assert job_id
        return Job(self, job_id)

    def close(self) -> None:
        """Ends both connections."""
        self._producer.close()
        self.redis.close()


@dataclass
class Orchestrator:
    """One `rrq worker run`."""

    process: subprocess.Popen[bytes]
    log_path: Path

    @property
    def log(self) -> str:
        """What it and its runners have printed."""
        return self.log_path.read_text(errors="replace")

    def runners(self) -> list[int]:
        """Its runner processes."""
        return [pid for pid in proc.children(self.process.pid) if is_alive(pid)]

    def stop(self) -> float:
        """Stops it as a service manager does; seconds until it had gone."""
        began = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(PATIENCE)
        return time.monotonic() - began

    def kill(self) -> None:
        """As the kernel does for want of memory."""
        self.process.kill()
        self.process.wait(PATIENCE)


def rrqmp_command(app: str = "acts_of_runner:registry", workers: int = 2) -> list[str]:
    """Our runner as `cmd`."""
    return [sys.executable, "-m", "rrqmp.runner", "--app", app, "--workers", str(workers)]


def rrq_command(settings: str = "acts_of_rrq.settings") -> list[str]:
    """RRQ's own Python runner as `cmd`."""
    return [sys.executable, str(SCRIPTS / "rrq-runner"), "--settings", settings]


def write_config(
    path: Path, dsn: str, command: Sequence[str], port: int, *, runner: Mapping[str, Any] | None = None, **rrq: Any
) -> Path:
    """A `rrq.toml` with one runner; `runner` are further lines of its table."""
    values = {
        "redis_dsn": dsn,
        "default_runner_name": "python",
        "default_poll_delay_seconds": 0.01,
        "base_retry_delay_seconds": 0.05,
        "worker_shutdown_grace_period_seconds": 0.2,
    } | rrq
    lines = ["[rrq]", *(f"{name} = {json.dumps(value)}" for name, value in values.items())]
    table = {"type": "socket", "cmd": list(command), "tcp_port": port, "pool_size": 1, "max_in_flight": 64}
    lines += ["[rrq.runners.python]"]
    lines += [f"{name} = {json.dumps(value)}" for name, value in (table | dict(runner or {})).items()]
    path.write_text("\n".join(lines) + "\n")
    return path


def start_orchestrator(config: Path, *options: str, wait: bool = True) -> Orchestrator:
    """Starts `rrq worker run` and waits until its runners are there."""
    log_path = config.parent / "orchestrator.log"
    with log_path.open("ab") as log:
        process = subprocess.Popen(
            [SCRIPTS / "rrq", "worker", "run", "--config", str(config), *options],
            cwd=config.parent,
            env={**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{APPS}", "RUST_LOG": "info"},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            process_group=0,
        )
    one = Orchestrator(process, log_path)
    if wait:
        eventually(lambda: one.runners() or process.poll() is not None, patience=PATIENCE, seen=lambda: one.log)
        assert process.poll() is None, one.log
    return one


@contextmanager
def orchestrated(folder: Path, dsn: str, command: Sequence[str], **config: Any) -> Iterator[Orchestrator]:
    """An orchestrator with its runner, stopped at the end."""
    path = write_config(folder / "rrq.toml", dsn, command, free_port(), **config)
    one = start_orchestrator(path)
    try:
        yield one
    finally:
        runners = one.runners()
        if one.process.poll() is None:
            one.stop()
        eventually(lambda: not [pid for pid in runners if is_alive(pid)], patience=5, seen=lambda: one.log[-3000:])
