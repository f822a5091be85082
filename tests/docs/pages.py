"""The pages for users as a test sees them: files to save, scripts and commands to run, in the order of the page.

A Python block whose first line is `# name.py` is a file of the page's folder; any other is a script of its own. A
console block holds commands, each with the lines that it prints (none: whatever it prints). A comment
`<!-- serve: module:engine -->` has workers running meanwhile; `<!-- not run: reason -->` passes over the next block.
"""

from __future__ import annotations

import fnmatch
import re
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
DOCS: Final = ROOT / "docs"
# What every page writes, and what stands for the test's server.
WRITTEN_URL: Final = "redis://localhost:6379"
# What stands for a port that is free while the test runs.
WRITTEN_ADDRESS: Final = "127.0.0.1:9464"

_BLOCK = re.compile(
    r"(?:<!-- not run: (?P<reason>[^>]+) -->\n)?```(?P<kind>python|console)\n(?P<text>.*?)```", re.DOTALL
)
_SERVE = re.compile(r"<!-- serve: (\S+) -->")
_FILE = re.compile(r"# ([\w/]+\.py)\n")


@dataclass(frozen=True)
class File:
    """A block to be saved."""

    name: str
    text: str


@dataclass(frozen=True)
class Script:
    """A block to be run; `line` is where it stands on the page."""

    text: str
    line: int


@dataclass(frozen=True)
class Command:
    """One line of a console block, and the lines that it must print, empty for any."""

    words: tuple[str, ...]
    shown: tuple[str, ...]
    line: int


@dataclass(frozen=True)
class Page:
    """One page: what to serve meanwhile, and its steps in order."""

    name: str
    serve: str
    steps: tuple[File | Script | Command, ...]


def read_page(path: Path) -> Page:
    """Takes a page apart."""
    text = path.read_text(encoding="utf-8")
    serve = _SERVE.search(text)
    steps: list[File | Script | Command] = []
    for found in _BLOCK.finditer(text):
        if found["reason"]:
            continue
        line = text.count("\n", 0, found.start("text")) + 1
        if found["kind"] == "console":
            steps += _commands(found["text"], line)
        elif named := _FILE.match(found["text"]):
            steps.append(File(named[1], found["text"]))
        else:
            steps.append(Script(found["text"], line))
    return Page(path.stem, serve[1] if serve else "", tuple(steps))


def _commands(text: str, line: int) -> list[Command]:
    commands: list[Command] = []
    for offset, row in enumerate(text.splitlines()):
        if row.startswith("$ "):
            commands.append(Command(tuple(shlex.split(row[2:], comments=True)), (), line + offset))
        elif commands:
            last = commands.pop()
            commands.append(Command(last.words, (*last.shown, row), last.line))
    return commands


def shows(printed: list[str], shown: tuple[str, ...]) -> bool:
    """Whether the printed lines are those of the page, in which `...` stands for anything."""
    wanted = [re.sub(r"([\[\]?*])", r"[\1]", line.rstrip()).replace("...", "*") for line in shown]
    while printed and not printed[-1].strip():
        printed = printed[:-1]
    rows = [line.rstrip() for line in printed]
    return len(rows) == len(wanted) and all(map(fnmatch.fnmatchcase, rows, wanted))


def pages() -> list[Page]:
    """Every page that has something to run."""
    return [page for path in sorted(DOCS.glob("*.md")) if (page := read_page(path)).steps]
