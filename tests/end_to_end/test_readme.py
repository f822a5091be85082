"""What the README shows is what happens: its program is the example, its commands run and print what stands there."""

from __future__ import annotations

import os
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import pytest

from rrqmp.settings.table import ENVIRONMENT_PREFIX
from tests.end_to_end.readme_blocks import ROOT, Block, blocks, likeness

pytestmark = pytest.mark.once

START_SECONDS = 30.0
# A process that has no processor for 12 ms after its deadline is killed before its stack is written, and the line of it
# is missing then: on a machine that others load it happens, seldom twice.
TRIES = 3


def of_kind(kind: str, name: str = "") -> list[Block]:
    return [block for block in blocks() if block.kind == kind and name in ("", block.name)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A newcomer's folder with the program in it."""
    made = tmp_path_factory.mktemp("newcomer")
    (program,) = of_kind("file")
    (made / Path(program.name).name).write_text(program.text)
    return made


@pytest.fixture(scope="module")
def environ(folder: Path) -> dict[str, str]:
    """His shell; the embedded server and all sockets stay in his folder."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ENVIRONMENT_PREFIX)}
    places = {"XDG_STATE_HOME": str(folder / "state"), "RUNTIME_DIRECTORY": str(folder / "run")}
    return kept | places | {"PYTHONPATH": str(ROOT), "NO_COLOR": "1"}


def in_shell(words: list[str]) -> list[str]:
    assert words[0] == "rrqmp"
    return [sys.executable, "-m", *words]


@pytest.fixture(scope="module")
def worker(folder: Path, environ: dict[str, str]) -> Iterator[list[str]]:
    """The first terminal: what it printed until it was ready. Ctrl-C ends it, with exit code 0."""
    (block,) = of_kind("run", "worker")
    ((words, _),) = block.commands()
    process = subprocess.Popen(in_shell(words), cwd=folder, env=environ, stderr=subprocess.PIPE, process_group=0)
    assert process.stderr is not None
    try:
        yield lines_until(process.stderr, b"ready in")
        process.send_signal(signal.SIGINT)
        assert process.wait(START_SECONDS) == 0
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
        process.stderr.close()


def lines_until(stream: IO[bytes], word: bytes) -> list[str]:
    seen = b""
    deadline = time.monotonic() + START_SECONDS
    while word not in seen or not seen.endswith(b"\n"):
        readable, _, _ = select.select([stream], [], [], max(0.0, deadline - time.monotonic()))
        part = os.read(stream.fileno(), 65536) if readable else b""
        assert part, f"no {word!r} in: {seen.decode(errors='replace')}"
        seen += part
    return seen.decode().splitlines()


def test_program_is_the_example() -> None:
    (program,) = of_kind("file")
    assert program.text == (ROOT / program.name).read_text(encoding="utf-8")


def test_worker_says_what_the_page_shows(worker: list[str]) -> None:
    (block,) = of_kind("run", "worker")
    ((_, shown),) = block.commands()
    assert [likeness(line) for line in worker] == [likeness(line) for line in shown]


@pytest.mark.parametrize("place", range(len(of_kind("run", "client"))))
def test_command_prints_what_the_page_shows(
    worker: list[str], folder: Path, environ: dict[str, str], place: int
) -> None:
    for words, shown in of_kind("run", "client")[place].commands():
        for _ in range(TRIES):
            ran = subprocess.run(
                in_shell(words), check=False, cwd=folder, env=environ, capture_output=True, text=True, timeout=30
            )
            printed = (ran.stdout + ran.stderr).splitlines()
            if [likeness(line) for line in printed] == [likeness(line) for line in shown]:
                break
        assert [likeness(line) for line in printed] == [likeness(line) for line in shown]
        # A number that is the answer must be the answer.
        if shown and shown[0].isdigit():
            assert printed == shown


def test_python_block_prints_what_its_comments_say(worker: list[str], folder: Path, environ: dict[str, str]) -> None:
    (block,) = of_kind("python")
    ran = subprocess.run(
        [sys.executable, "-c", block.text], check=False, cwd=folder, env=environ, capture_output=True, text=True
    )
    assert ran.stderr == ""
    assert ran.stdout.splitlines() == re.findall(r"print\(.*\)  # (.*)$", block.text, re.MULTILINE)


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """One run of the demo as the page shows it, with a folder of its own for temporary files."""
    for _ in range(TRIES):
        ran, folder = run_demo(tmp_path_factory)
        if not lines_missing(ran.stdout):
            break
    return ran, folder


def lines_missing(stdout: str) -> list[str]:
    """Lines of the page's picture that were not printed."""
    (picture,) = of_kind("picture", "demo")
    printed = {likeness(line) for line in stdout.splitlines()}
    return [line for line in picture.text.splitlines() if likeness(line) not in printed]


def run_demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[subprocess.CompletedProcess[str], Path]:
    folder = tmp_path_factory.mktemp("demo")
    environ = {name: value for name, value in os.environ.items() if not name.startswith(ENVIRONMENT_PREFIX)}
    ran = subprocess.run(
        [sys.executable, "-m", "rrqmp", "demo"],
        check=False,
        cwd=folder,
        env=environ | {"PYTHONPATH": str(ROOT), "TMPDIR": str(folder), "COLUMNS": "80", "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    return ran, folder


@pytest.mark.timeout(150)
def test_demo_shows_the_four_casualties_of_the_page(demo: Any) -> None:
    ran, _ = demo
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert lines_missing(ran.stdout) == []


@pytest.mark.timeout(150)
def test_demo_leaves_no_file_and_no_process(demo: Any) -> None:
    ran, folder = demo
    assert ran.stderr == ""
    assert list(folder.iterdir()) == []
    left = [path for path in Path("/proc").glob("[0-9]*/environ") if str(folder).encode() in readable_bytes(path)]
    assert left == []


def readable_bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""
