"""Every example of the pages for users runs, in a folder of its own, against a real server and real workers."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import pytest

from rrqmp.settings.table import ENVIRONMENT_PREFIX
from rrqmp.store.embedded import EmbeddedServer
from tests.docs.pages import (
    ROOT,
    WRITTEN_ADDRESS,
    WRITTEN_URL,
    Command,
    File,
    Page,
    Script,
    pages,
    read_page,
    shows,
)
from tests.processes.harness import eventually
from tests.runner.harness import free_port
from tests.servers import embedded_server

STEP_SECONDS = 60.0
ALLOWED = ("rrqmp", "python")
pytestmark = [pytest.mark.once, pytest.mark.timeout(180)]


class Reader:
    """Somebody who types off a page, step by step."""

    def __init__(self, page: Page, folder: Path, url: str) -> None:
        self._page = page
        self._folder = folder
        self._url = url
        self._address = f"127.0.0.1:{free_port()}"
        kept = {name: value for name, value in os.environ.items() if not name.startswith(ENVIRONMENT_PREFIX)}
        self.environ = kept | {
            "PYTHONPATH": os.pathsep.join((str(folder), str(ROOT))),
            f"{ENVIRONMENT_PREFIX}REDIS_URL": url,
            f"{ENVIRONMENT_PREFIX}RUNTIME_DIR": str(folder / "run"),
            "XDG_STATE_HOME": str(folder / "state"),
            "COLUMNS": "160",
            "NO_COLOR": "1",
        }

    def save(self, file: File) -> None:
        """Writes a file of the page."""
        path = self._folder / file.name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(self._here(file.text))

    def run(self, step: Script | Command) -> None:
        """Runs a script or a command, and compares what it prints where the page shows it."""
        if isinstance(step, Script):
            path = self._folder / f"line_{step.line}.py"
            path.write_text(self._here(step.text))
            words, shown = [sys.executable, str(path)], ()
        else:
            words, shown = self.in_shell(step.words), step.shown
        ran = subprocess.run(
            words,
            check=False,
            cwd=self._folder,
            env=self.environ,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=STEP_SECONDS,
        )
        where = f"docs/{self._page.name}.md:{step.line}"
        assert ran.returncode == 0, f"{where} ended with {ran.returncode}\n{ran.stdout}\n{ran.stderr}"
        if shown:
            assert shows(ran.stdout.splitlines(), shown), f"{where} printed\n{ran.stdout}\n{ran.stderr}"

    @contextmanager
    def workers(self, app: str) -> Iterator[None]:
        """A supervisor of two workers for the page's application."""
        log = self._folder / "workers.log"
        with log.open("wb") as out:
            process = subprocess.Popen(
                [*self.in_shell(("rrqmp", "run")), "--app", app, "--workers", "2", "--node", f"docs-{self._page.name}"],
                cwd=self._folder,
                env=self.environ,
                stdin=subprocess.DEVNULL,
                stderr=out,
                process_group=0,
            )
            try:
                eventually(lambda: "ready in" in log.read_text() or process.poll() is not None, seen=log.read_text)
                assert process.poll() is None, log.read_text()
                yield
            finally:
                process.send_signal(signal.SIGTERM)
                code = process.wait(STEP_SECONDS)
        assert code == 0, log.read_text()

    def in_shell(self, words: tuple[str, ...]) -> list[str]:
        """The command as this interpreter runs it."""
        first, *rest = (self._here(word) for word in words)
        return [sys.executable, "-m", "rrqmp", *rest] if first == "rrqmp" else [sys.executable, *rest]

    def _here(self, text: str) -> str:
        return text.replace(WRITTEN_URL, self._url).replace(WRITTEN_ADDRESS, self._address)


@pytest.fixture
def server_of_page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServer]:
    """A server of the page's own: two pages may have queues of one name."""
    with embedded_server(tmp_path_factory.mktemp("s")) as running:
        yield running


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.name)
def test_examples_of_the_page_run(page: Page, server_of_page: EmbeddedServer, tmp_path: Path) -> None:
    reader = Reader(page, tmp_path, server_of_page.url)
    for step in page.steps:
        if isinstance(step, File):
            reader.save(step)
    with reader.workers(page.serve) if page.serve else nullcontext():
        for step in page.steps:
            if isinstance(step, File):
                reader.save(step)
            else:
                reader.run(step)


def test_commands_are_of_this_project() -> None:
    wrong = [
        step for page in pages() for step in page.steps if isinstance(step, Command) and step.words[0] not in ALLOWED
    ]
    assert not wrong


def test_reader_finds_files_scripts_and_commands(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "<!-- serve: app:engine -->\n```python\n# app.py\nx = 1\n```\n\n```python\nimport app\n```\n"
        "<!-- not run: no card -->\n```python\nimport cuda\n```\n"
        "```console\n$ rrqmp stats  # all\na ... c\n$ python -V\n```\n"
    )
    found = read_page(page)
    assert found.serve == "app:engine"
    kinds = [type(step).__name__ for step in found.steps]
    assert kinds == ["File", "Script", "Command", "Command"]
    command = found.steps[2]
    assert isinstance(command, Command)
    assert command.words == ("rrqmp", "stats")
    assert shows(["a bb c", ""], command.shown)
    assert not shows(["a bb d"], command.shown)
    assert not shows([], command.shown)
