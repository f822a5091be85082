"""The real scripts with a clock that tests can move, and with single rules taken out to show that they matter."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rrqmp.store.script import Script, load_script, make_script

CLOCK_KEY = "explorer-clock"
_TIME = "local now = clock[1] * 1000000 + clock[2]\n"
_MOVED_TIME = f"local now = clock[1] * 1000000 + clock[2] + (redis.call('GET', root .. '{CLOCK_KEY}') or 0)\n"


@dataclass(frozen=True, slots=True)
class Removal:
    """A rule taken out: `edits` are (text, replacement) for each script that holds the text."""

    rule: str
    edits: Sequence[tuple[str, str]]


class Shelf:
    """Scripts by name, edited once."""

    def __init__(self, removal: Removal | None = None) -> None:
        self._removal = removal
        self._scripts: dict[str, Script] = {}

    def edited(self, script: Script) -> Script:
        if script.name not in self._scripts:
            self._scripts[script.name] = make_script(script.name, self._edit(load_script(script.name).source))
        return self._scripts[script.name]

    def _edit(self, source: str) -> str:
        assert _TIME in source
        source = source.replace(_TIME, _MOVED_TIME)
        for text, replacement in self._removal.edits if self._removal else ():
            source = source.replace(text, replacement)
        return source


def assert_edits_apply(removal: Removal, sources: Mapping[str, str]) -> None:
    """A removal whose text is in no script any more would test nothing."""
    for text, _ in removal.edits:
        assert any(text in source for source in sources.values()), f"{removal.rule}: {text!r} is in no script"
