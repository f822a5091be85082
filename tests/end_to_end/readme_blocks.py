"""The fenced blocks of the README that a comment marks, and what two pictures of one output have in common."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

_BLOCK = re.compile(r"<!-- (\w+): (\S+) -->\n```\w*\n(.*?)```", re.DOTALL)
# In this order: an id holds digits, and what is left of it must not look like a number.
_VARIES = (
    (re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"), "ID"),
    (re.compile(r"unix://\S+"), "URL"),
    (re.compile(r"node \S+"), "node NODE"),
    (re.compile(r"\d+ workers?(?: \([^)]*\))?"), "N workers"),
    (re.compile(r"\b(ms|s)\b"), "s"),
    (re.compile(r"\d+([.:]\d+)*"), "N"),
    (re.compile(r"[ ─]+"), " "),
    # The endless loop of the demo has two lines to be caught in.
    (re.compile(r"N pass$"), "N while True:"),
)


@dataclass(frozen=True)
class Block:
    """One marked block: `kind` and `name` from the comment, the text between the fences."""

    kind: str
    name: str
    text: str

    def commands(self) -> list[tuple[list[str], list[str]]]:
        """Of a console block: each command in words of a shell, and the lines that it prints."""
        import shlex

        found: list[tuple[list[str], list[str]]] = []
        for line in self.text.splitlines():
            if line.startswith("$ "):
                found.append((shlex.split(line[2:]), []))
            else:
                found[-1][1].append(line)
        return found


def blocks() -> list[Block]:
    """All of them, in the order of the page."""
    return [Block(*found) for found in _BLOCK.findall((ROOT / "README.md").read_text(encoding="utf-8"))]


def likeness(line: str) -> str:
    """A line without what differs from run to run: two lines of one likeness say the same."""
    line = line.strip()
    for pattern, word in _VARIES:
        line = pattern.sub(word, line)
    return line
