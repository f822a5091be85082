"""The example in examples/rrq, as its files stand, under the real orchestrator."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.runner.harness import ROOT, free_port
from tests.runner.orchestrator import PATIENCE, start_orchestrator
from tests.servers import embedded_server

EXAMPLE = ROOT / "examples" / "rrq"
LINES = [
    r"validate {'text': 'aaaaaaaaaaaaaaaaaaaaaaaaaaa...: failed: validate killed at its deadline",
    "greet {'name': 'Ada'}: {'message': 'Hello, Ada!'}",
    "process_order {'order_id': 42}: {'attempt': 1, 'processed': 42}",
    "process_order {}: failed: missing order_id",
    "count_primes {'limit': 50000}: 5133",
    "validate {'text': 'aaa'}: True",
]


@pytest.mark.once
def test_example_does_what_it_says(tmp_path: Path) -> None:
    shutil.copytree(EXAMPLE, tmp_path / "rrq", ignore=shutil.ignore_patterns("__pycache__"))
    config, server_port = tmp_path / "rrq" / "rrq.toml", free_port()
    text = config.read_text().replace("localhost:6379", f"127.0.0.1:{server_port}")
    text = text.replace('"python"', f'"{sys.executable}"').replace("9000", str(free_port()))
    config.write_text(text)
    with embedded_server(tmp_path / "server", port=str(server_port), bind="127.0.0.1"):
        orchestrator = start_orchestrator(config)
        try:
            ran = subprocess.run(
                [sys.executable, "produce.py"],
                cwd=config.parent,
                env={**os.environ, "PYTHONPATH": str(ROOT)},
                capture_output=True,
                text=True,
                timeout=PATIENCE,
                check=True,
            )
        finally:
            orchestrator.stop()
    for line, start in zip(ran.stdout.splitlines(), LINES, strict=True):
        assert line.startswith(start), ran.stdout
